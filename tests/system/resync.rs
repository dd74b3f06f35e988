//! Resynchronisation (TS 33.102 §6.3.5) as a device lives through it.

use anyhow::{Result, bail, ensure};
use harness::{
    aka::{self, Subscriber, Vector},
    icf::{Icf, MME},
    osmo,
    peer::Peer,
    wire::{Outcome, SUCCESS},
};
use schemas::identity::Plmn;
use ue_sim::usim::{Authentication, Sqn, SqnArray, Usim};

use crate::PLMN;

/// A USIM that has accepted `ahead` SEQs more than the authentication centre has given.
fn usim_ahead_of(subscriber: &Subscriber, vector: &Vector, ahead: u64) -> Result<(Usim, u64)> {
    let sqn_ms = subscriber.sqn(vector)? + (ahead << 5);
    let mut array = SqnArray::default();
    let octets: [u8; 6] = sqn_ms.to_be_bytes()[2..].try_into()?;
    array.accept(Sqn::from_octets(octets)).map_err(|why| anyhow::anyhow!("{why:?}"))?;
    Ok((subscriber.usim().with_sqn(array), sqn_ms))
}

fn next(peer: &mut Peer, subscriber: &Subscriber, resync: Option<&[u8]>) -> Result<Vector> {
    aka::vector(&peer.air(&subscriber.imsi, PLMN, 1, resync)?)
}

#[test]
fn a_forged_auts_is_refused_a_true_one_repairs_and_the_usim_accepts_the_next_vector() -> Result<()> {
    let (icf, subscriber) = Icf::with_one()?;
    let mut peer = icf.connect(MME)?;
    let first = next(&mut peer, &subscriber, None)?;
    let (mut usim, sqn_ms) = usim_ahead_of(&subscriber, &first, 5000)?;
    let plmn = Plmn::from_octets(PLMN)?;
    let Authentication::SynchronisationFailure { auts, .. } = usim.authenticate(&first.challenge(), plmn)
    else {
        bail!("the USIM takes a number that it is far ahead of");
    };
    ensure!(osmo::sqn_ms(&subscriber, &first.rand, &auts)? == sqn_ms, "osmo-auc-gen reads another SQN_MS");

    for bit in [0, 47, 48, 111] {
        let mut forged = auts;
        forged[bit / 8] ^= 0x80 >> (bit % 8);
        let answer = peer.air(&subscriber.imsi, PLMN, 1, Some(&first.resync(&forged)))?;
        ensure!(answer.result()? != SUCCESS, "an AUTS with bit {bit} turned was taken");
    }
    let before = subscriber.sqn(&next(&mut peer, &subscriber, None)?)?;
    ensure!(before < sqn_ms, "a forged AUTS moved SQN to {before:012x}");

    let repaired = next(&mut peer, &subscriber, Some(&first.resync(&auts)))?;
    osmo::verify(&subscriber, &repaired, PLMN)?;
    for vector in [repaired, next(&mut peer, &subscriber, None)?] {
        match usim.authenticate(&vector.challenge(), plmn) {
            Authentication::Accepted(accepted) => {
                ensure!(accepted.answers(&vector.xres), "RES and XRES differ");
                ensure!(accepted.kasme().as_octets() == &vector.kasme, "KASME differs");
            }
            refused => bail!("after the repair the USIM answers {refused:?}"),
        }
    }
    Ok(())
}

#[test]
fn an_auts_for_another_rand_is_refused() -> Result<()> {
    let (icf, subscriber) = Icf::with_one()?;
    let mut peer = icf.connect(MME)?;
    let (first, second) = (next(&mut peer, &subscriber, None)?, next(&mut peer, &subscriber, None)?);
    let auts = subscriber.auts(&first, subscriber.sqn(&first)? + (1 << 20))?;
    let answer = peer.air(&subscriber.imsi, PLMN, 1, Some(&second.resync(&auts)))?;
    ensure!(answer.result()? != SUCCESS, "MAC-S was made with another RAND");
    Ok(())
}

#[test]
fn a_repair_survives_kill_9() -> Result<()> {
    let (mut icf, subscriber) = Icf::with_one()?;
    let mut peer = icf.connect(MME)?;
    let first = next(&mut peer, &subscriber, None)?;
    let sqn_ms = subscriber.sqn(&first)? + (1 << 24);
    let auts = subscriber.auts(&first, sqn_ms)?;
    let repaired = subscriber.sqn(&next(&mut peer, &subscriber, Some(&first.resync(&auts)))?)?;
    icf.kill()?;
    icf.start()?;
    let mut peer = icf.connect(MME)?;
    let after = subscriber.sqn(&next(&mut peer, &subscriber, None)?)?;
    ensure!(after >> 5 > repaired >> 5 && repaired >> 5 > sqn_ms >> 5, "{sqn_ms:x} {repaired:x} {after:x}");
    Ok(())
}

#[test]
fn an_unknown_imsi_with_an_auts_is_refused_like_any_unknown_imsi() -> Result<()> {
    let (icf, _) = Icf::with_one()?;
    let mut peer = icf.connect(MME)?;
    let plain = peer.air("999719999999999", PLMN, 1, None)?.result()?;
    let with_auts = peer.air("999719999999999", PLMN, 1, Some(&[7; 30]))?.result()?;
    ensure!(plain == with_auts && plain == Outcome::Experimental(4181), "{plain:?} {with_auts:?}");
    Ok(())
}
