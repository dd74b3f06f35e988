//! What others get right, kept here too.

use anyhow::{Result, bail, ensure};
use harness::{
    aka::{self, Subscriber},
    icf::{Icf, MME, Settings},
};
use schemas::identity::Plmn;
use ue_sim::usim::Authentication;

use crate::PLMN;

/// osmo-hlr's IND per client: what one MME holds in stock is not made stale by another (TS 33.102 §C.1.2, §C.2.2).
#[test]
fn osmo_hlr_vectors_of_two_mmes_do_not_make_each_other_stale() -> Result<()> {
    let peers = vec![MME.into(), "other.localdomain".into()];
    let subscriber = Subscriber::random(1)?;
    let settings = Settings { peers, max_vectors: 5, ..Settings::default() };
    let icf = Icf::with(&settings, std::slice::from_ref(&subscriber))?;
    let mut stock = aka::vectors(&icf.connect(MME)?.air(&subscriber.imsi, PLMN, 5, None)?)?.into_iter();
    let mut newer =
        aka::vectors(&icf.connect("other.localdomain")?.air(&subscriber.imsi, PLMN, 5, None)?)?.into_iter();
    let mut usim = subscriber.usim();
    let plmn = Plmn::from_octets(PLMN)?;
    // The device moves to and fro; the older stock is used after the newer one each time.
    while let (Some(there), Some(here)) = (newer.next(), stock.next()) {
        for vector in [there, here] {
            let answer = usim.authenticate(&vector.challenge(), plmn);
            let Authentication::Accepted(accepted) = answer else { bail!("the USIM answers {answer:?}") };
            ensure!(accepted.answers(&vector.xres));
        }
    }
    Ok(())
}

/// Magma moves nothing for an AUTS that the USIM would not have needed: a recorded one, sent again.
#[test]
fn magma_a_recorded_auts_sent_again_moves_nothing_back() -> Result<()> {
    let (icf, subscriber) = Icf::with_one()?;
    let mut peer = icf.connect(MME)?;
    let first = aka::vector(&peer.air(&subscriber.imsi, PLMN, 1, None)?)?;
    let recorded = first.resync(&subscriber.auts(&first, subscriber.sqn(&first)?)?);
    let mut last = subscriber.sqn(&first)? >> 5;
    for _ in 0..5 {
        let answer = peer.air(&subscriber.imsi, PLMN, 1, Some(&recorded))?;
        if let Ok(vector) = aka::vector(&answer) {
            let seq = subscriber.sqn(&vector)? >> 5;
            ensure!(seq > last && seq - last < 100, "SEQ {seq:x} after {last:x}");
            last = seq;
        }
    }
    let seq = subscriber.sqn(&aka::vector(&peer.air(&subscriber.imsi, PLMN, 1, None)?)?)? >> 5;
    ensure!(seq > last && seq - last < 100, "SEQ {seq:x} after {last:x}");
    Ok(())
}
