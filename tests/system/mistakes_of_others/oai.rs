//! OAI's and omec's HSS.

use std::collections::HashSet;

use anyhow::{Result, ensure};
use harness::{
    aka::{self, Subscriber},
    icf::{Icf, MME, Settings},
    wire::SUCCESS,
};

use crate::PLMN;

/// It takes RAND ‖ AUTS as a whole for AUTS.
#[test]
fn oai_auts_is_taken_after_the_rand() -> Result<()> {
    let (icf, subscriber) = Icf::with_one()?;
    let mut peer = icf.connect(MME)?;
    let first = aka::vector(&peer.air(&subscriber.imsi, PLMN, 1, None)?)?;
    let sqn_ms = subscriber.sqn(&first)? + (1 << 22);
    let auts = subscriber.auts(&first, sqn_ms)?;
    // AUTS first is what that reading would want.
    let turned = [auts.as_slice(), &first.rand].concat();
    ensure!(
        peer.air(&subscriber.imsi, PLMN, 1, Some(&turned))?.result()? != SUCCESS,
        "AUTS ‖ RAND was taken"
    );
    let repaired = aka::vector(&peer.air(&subscriber.imsi, PLMN, 1, Some(&first.resync(&auts)))?)?;
    let sqn = subscriber.sqn(&repaired)?;
    ensure!(sqn >> 5 > sqn_ms >> 5 && (sqn >> 5) - (sqn_ms >> 5) < 100, "{sqn_ms:012x} led to {sqn:012x}");
    Ok(())
}

/// It ignores that MAC-S is wrong.
#[test]
fn oai_mac_failure_is_not_ignored() -> Result<()> {
    let (icf, subscriber) = Icf::with_one()?;
    let mut peer = icf.connect(MME)?;
    let first = aka::vector(&peer.air(&subscriber.imsi, PLMN, 1, None)?)?;
    let auts = subscriber.auts(&first, subscriber.sqn(&first)? + (1 << 22))?;
    for octet in 6..14 {
        let mut forged = auts;
        forged[octet] ^= 0xff;
        let answer = peer.air(&subscriber.imsi, PLMN, 1, Some(&first.resync(&forged)))?;
        ensure!(answer.result()? != SUCCESS, "octet {octet} of MAC-S may be anything");
    }
    Ok(())
}

/// Its answer leaves before SQN is stored.
#[test]
fn oai_answer_leaves_after_the_sqn_is_stored() -> Result<()> {
    let (mut icf, subscriber) = Icf::with_one()?;
    let mut seen = HashSet::new();
    let mut highest = 0;
    for _ in 0..10 {
        let mut peer = icf.connect(MME)?;
        for _ in 0..3 {
            let sqn = subscriber.sqn(&aka::vector(&peer.air(&subscriber.imsi, PLMN, 1, None)?)?)?;
            ensure!(seen.insert(sqn >> 5) && sqn >> 5 > highest, "SEQ {:x} after {highest:x}", sqn >> 5);
            highest = sqn >> 5;
        }
        // The moment the last answer is here.
        icf.kill()?;
        icf.start()?;
    }
    Ok(())
}

/// Its RANDs come from rand(), seeded with the time.
#[test]
fn oai_rands_of_two_started_in_the_same_second_have_nothing_in_common() -> Result<()> {
    let subscriber = Subscriber::random(1)?;
    let one = Icf::with(&Settings::default(), std::slice::from_ref(&subscriber))?;
    let two = Icf::with(&Settings::default(), std::slice::from_ref(&subscriber))?;
    let mut words = HashSet::new();
    let mut ones = 0;
    for icf in [&one, &two] {
        let mut peer = icf.connect(MME)?;
        for _ in 0..200 {
            let vector = aka::vector(&peer.air(&subscriber.imsi, PLMN, 1, None)?)?;
            for half in vector.rand.chunks(8) {
                ensure!(words.insert(half.to_vec()), "half a RAND came twice");
            }
            ones += vector.rand.iter().map(|octet| octet.count_ones()).sum::<u32>();
        }
    }
    // 51,200 bits: more than six standard deviations (113) from the half is no chance.
    ensure!(ones.abs_diff(25_600) < 700, "{ones} of 51200 bits are 1");
    Ok(())
}

/// All vectors of its batches share one SQN.
#[test]
fn oai_vectors_of_a_batch_have_distinct_sqns() -> Result<()> {
    let subscriber = Subscriber::random(1)?;
    let settings = Settings { max_vectors: 5, ..Settings::default() };
    let icf = Icf::with(&settings, std::slice::from_ref(&subscriber))?;
    let mut peer = icf.connect(MME)?;
    let mut last = 0;
    for wanted in [5, 1, 3, 5] {
        let vectors = aka::vectors(&peer.air(&subscriber.imsi, PLMN, wanted, None)?)?;
        ensure!(vectors.len() == wanted as usize, "{} vectors for {wanted}", vectors.len());
        for vector in vectors {
            let sqn = subscriber.sqn(&vector)?;
            ensure!(sqn >> 5 > last, "SEQ {:x} after {last:x}", sqn >> 5);
            last = sqn >> 5;
        }
    }
    Ok(())
}
