//! TS 29.281: user packets through S1-U, judged by the GTP-U of the Linux kernel.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use schemas::identity::Imsi;
use serde_json::json;
use ue_sim::{
    access::s1ap::Asked,
    user_plane::{Gtp, Pings, Tun, UeNet},
};

use crate::{
    gateway::{self, Gateway, INSIDE},
    rig::{Phone, Rig, run},
};

/// The first TEID that the MME tells for a UE of its; each bearer that is set up has the next.
const FIRST_TEID: u32 = 0x1001;
const UE: Ipv4Addr = Ipv4Addr::new(10, 45, 0, 9);
const MTU: u16 = 1400;

async fn rig(gateway: &Gateway) -> Result<(Rig, Gtp)> {
    let gtp = Gtp::bind(gateway.enb.into()).await?;
    let policy = json!({ "gateway": gateway.address.to_string() });
    Ok((Rig::through(policy, gateway.enb, Arc::new(gtp.clone())).await?, gtp))
}

/// The next connection's bearer goes through the gateway: `number` is how many it had before.
async fn carried(rig: &mut Rig, gateway: &mut Gateway, number: u32) -> Result<()> {
    let response = rig.mme.s1ap("InitialContextSetupResponse").await?;
    gateway.carry(UE, FIRST_TEID + number, &response)
}

fn imsi(phone: &Phone) -> Result<Imsi> {
    phone.imsi.parse().map_err(|error| anyhow::anyhow!("{error:?}"))
}

#[test]
fn a_ues_packets_go_through_the_kernels_gtp_u_and_back() -> Result<()> {
    run(async {
        let mut gateway = Gateway::new()?;
        let (mut rig, gtp) = rig(&gateway).await?;
        let phone = rig.phone()?;
        phone.attached().await?;
        carried(&mut rig, &mut gateway, 0).await?;
        let net = UeNet::new(gtp.port(imsi(&phone)?, MTU), UE);
        let mut pings = Pings::from(&net).await?;
        for _ in 0..3 {
            let echo = pings.ping(INSIDE, Duration::from_secs(5)).await?;
            ensure!(echo.after.is_some(), "no echo came back");
        }
        // From the network: the UE's own stack answers.
        gateway.ping(UE)?;

        // An idle UE has no tunnel, and the next connection has another.
        phone.idle().await?;
        ensure!(gateway.ping(UE).is_err(), "packets reach an idle UE");
        phone.service(false).await?;
        carried(&mut rig, &mut gateway, 1).await?;
        gateway.ping(UE)?;
        ensure!(pings.ping(INSIDE, Duration::from_secs(5)).await?.after.is_some(), "no echo came back");
        Ok(())
    })
}

#[test]
fn a_packet_of_an_idle_ue_asks_for_its_bearer_and_waits_for_it() -> Result<()> {
    run(async {
        let mut gateway = Gateway::new()?;
        let (mut rig, gtp) = rig(&gateway).await?;
        let mut phone = rig.phone()?;
        phone.attached().await?;
        rig.mme.s1ap("InitialContextSetupResponse").await?;
        let net = UeNet::new(gtp.port(imsi(&phone)?, MTU), UE);
        phone.idle().await?;
        let its = net.clone();
        let pinging = tokio::spawn(async move {
            let mut pings = Pings::from(&its).await?;
            pings.ping(INSIDE, Duration::from_secs(10)).await
        });
        loop {
            match phone.asked().await? {
                Asked::DataWaits => break,
                Asked::Released { .. } => {}
                other => anyhow::bail!("{other:?}"),
            }
        }
        phone.service(false).await?;
        carried(&mut rig, &mut gateway, 1).await?;
        // The packet that woke it may have been faster than the gateway of this test; the next is not.
        pinging.await??;
        gateway.ping(UE)
    })
}

#[test]
fn programs_of_the_system_go_through_a_tun_device_in_another_network() -> Result<()> {
    run(async {
        let mut gateway = Gateway::new()?;
        let (mut rig, gtp) = rig(&gateway).await?;
        let phone = rig.phone()?;
        phone.attached().await?;
        carried(&mut rig, &mut gateway, 0).await?;
        let imsi = imsi(&phone)?;
        let nowhere = Tun { name: "tun0".into(), network: Some("nowhere".into()) };
        let refused = gtp.tun(imsi, &nowhere, UE).err().map(|error| error.to_string()).unwrap_or_default();
        ensure!(refused.contains("/run/netns/nowhere"), "a network that is not there: {refused:?}");

        gateway::ip(&["netns", "add", "programs"])?;
        let tun = Tun { name: "tun0".into(), network: Some("programs".into()) };
        gtp.tun(imsi, &tun, UE)?;
        gateway::ping("programs", &["-I", &UE.to_string()], INSIDE)?;
        gateway.ping(UE)?;

        // With the bearer it goes, and comes back with the next one.
        phone.idle().await?;
        ensure!(gateway::ip(&["-n", "programs", "link", "show", "tun0"]).is_err(), "it outlives its bearer");
        phone.service(false).await?;
        carried(&mut rig, &mut gateway, 1).await?;
        gateway::ping("programs", &["-I", &UE.to_string()], INSIDE)?;
        drop((phone, rig));
        gateway::ip(&["netns", "del", "programs"])
    })
}

/// TS 29.281 §5.1: version 1, GTP; a message with a sequence number has four octets more.
fn message(kind: u8, teid: u32, sequence: Option<u16>, body: &[u8]) -> Vec<u8> {
    let optional =
        sequence.map(|number| [number.to_be_bytes().as_slice(), &[0, 0]].concat()).unwrap_or_default();
    let length = u16::try_from(optional.len() + body.len()).unwrap_or_default();
    let flags = if sequence.is_some() { 0x32 } else { 0x30 };
    [&[flags, kind], &length.to_be_bytes()[..], &teid.to_be_bytes(), &optional, body].concat()
}

#[test]
fn the_enb_answers_echoes_and_says_which_tunnel_it_does_not_have() -> Result<()> {
    run(async {
        let gateway = Gateway::new()?;
        let (_rig, _gtp) = rig(&gateway).await?;
        // Echo Responses go to the port that asked, Error Indications to 2152 (§4.4.2.2, §4.4.2.3).
        let peer = tokio::net::UdpSocket::bind("127.0.0.77:2152").await?;
        peer.connect((gateway.enb, 2152)).await?;
        let mut octets = [0; 128];
        let mut asks = async |request: Vec<u8>| -> Result<Vec<u8>> {
            peer.send(&request).await?;
            let come = tokio::time::timeout(Duration::from_secs(5), peer.recv(&mut octets)).await??;
            Ok(octets[..come].to_vec())
        };
        // §7.2.1, §7.2.2: the number of the request, and Recovery (§8.2), which is 0.
        let answer = asks(message(1, 0, Some(0x0ca1), &[])).await?;
        ensure!(answer == message(2, 0, Some(0x0ca1), &[14, 0]), "{}", hex::encode(answer));
        // §7.3.1: TEID Data I (§8.3) and the GTP-U Peer Address (§8.4) of who says so.
        let answer = asks(message(255, 0x00c0_ffee, None, b"an IP packet")).await?;
        let body = [&[16][..], &[0x00, 0xc0, 0xff, 0xee], &[133, 0, 4], &gateway.enb.octets()].concat();
        ensure!(answer[1] == 26 && answer.ends_with(&body), "{}", hex::encode(answer));
        Ok(())
    })
}
