//! The relay over SCTP, from two addresses to two, towards the MME and towards the HSS.

use std::time::Duration;

use anyhow::{Result, ensure};
use harness::{
    icf::{MME, Settings},
    network::Cable,
    peer::Peer,
    s6a::{CLR, Route},
    wire::{Avp, Outcome, SUCCESS},
};

use crate::rig::{PLMN, Rig, accepted};

const HSS: &str = "hss.localdomain";
/// Of the shared network, and no IMSI of the rig's.
const ORDINARY: &str = "999715000000001";
const SOON: Duration = Duration::from_secs(15);

fn rig(more: &'static str) -> Result<Rig> {
    let relay = "\n[relay]\nhss = \"hss.localdomain\"\nrealm = \"localdomain\"\nprefixes = [\"99971\"]\n\
                 ours = [\"999710000000000-999710000999999\"]\n";
    let icf = format!("{relay}{more}").leak();
    Rig::new(&Settings { peers: vec![MME.into(), HSS.into()], icf, watchdog: "6s", ..Settings::default() })
}

fn connect(rig: &Rig, name: &str) -> Result<Peer> {
    accepted(Peer::introduce_over(rig.associate(0)?, &rig.icf.route(name), None)?)
}

fn air_and_clr(mme: &mut Peer, hss: &mut Peer) -> Result<()> {
    let session = mme.session();
    let air = mme.route.air(&session, ORDINARY, PLMN, 1, None);
    let hop_by_hop = mme.send(air)?;
    let request = hss.request(SOON)?;
    ensure!(request.base(282)?.data == MME.as_bytes(), "{request:?}");
    hss.answer(&request, 2001)?;
    let answer = mme.answer_to(hop_by_hop)?;
    ensure!(answer.result()? == SUCCESS && answer.base(264)?.data == HSS.as_bytes(), "{answer:?}");
    let session = hss.session();
    let mut clr = Route { hss: MME.into(), ..hss.route.clone() }.request(CLR, &session, ORDINARY);
    clr.avps.push(Avp::tgpp(1420, 2u32.to_be_bytes()));
    let hop_by_hop = hss.send(clr)?;
    let request = mme.request(SOON)?;
    ensure!(request.command == CLR && request.base(282)?.data == HSS.as_bytes(), "{request:?}");
    mme.answer(&request, 2001)?;
    ensure!(hss.answer_to(hop_by_hop)?.result()? == SUCCESS);
    Ok(())
}

#[test]
fn air_goes_up_and_clr_down_over_sctp_on_both_sides_also_when_a_path_is_lost() -> Result<()> {
    // What is lost on a path is sent again by HSS and ICF, each after a second or more (RFC 9260 §6.3.1, §15).
    let mut rig = rig("timeout = \"14s\"\n")?;
    rig.icf.network()?.give_up_fast()?;
    let (mut mme, mut hss) = (connect(&rig, MME)?, connect(&rig, HSS)?);
    air_and_clr(&mut mme, &mut hss)?;
    // Our own are served here as before.
    rig.air(&mut mme)?;
    rig.icf.network()?.lose(Cable::First)?;
    air_and_clr(&mut mme, &mut hss)?;
    let peers = rig.icf.rest_ok("GET", "/v1/peers", None)?.body;
    ensure!(peers.matches("sctp://").count() == 2, "{peers}");
    Ok(())
}

#[test]
fn a_silent_hss_and_one_whose_association_is_aborted_are_answered_for() -> Result<()> {
    let rig = rig("timeout = \"2s\"\n")?;
    let (mut mme, mut hss) = (connect(&rig, MME)?, connect(&rig, HSS)?);
    let ask = |mme: &mut Peer, hss: &mut Peer| -> Result<u32> {
        let session = mme.session();
        let air = mme.route.air(&session, ORDINARY, PLMN, 1, None);
        let hop_by_hop = mme.send(air)?;
        hss.request(SOON)?;
        Ok(hop_by_hop)
    };
    let hop_by_hop = ask(&mut mme, &mut hss)?;
    ensure!(mme.answer_to(hop_by_hop)?.result()? == Outcome::Base(3002));
    let hop_by_hop = ask(&mut mme, &mut hss)?;
    hss.into_association()?.abort()?;
    ensure!(mme.answer_to(hop_by_hop)?.result()? == Outcome::Base(3002));
    let metrics = rig.icf.rest_ok("GET", "/metrics", None)?.body;
    for reason in ["timeout", "connection lost"] {
        let line =
            format!("callhome_relay_failed_total{{command=\"AIR\",direction=\"up\",reason=\"{reason}\"}} 1");
        ensure!(metrics.contains(&line), "no {line}");
    }
    Ok(())
}
