//! srsEPC and free5GC.

use anyhow::{Result, ensure};
use harness::{
    aka,
    icf::{Icf, MME},
};

use crate::PLMN;

/// srsEPC writes its counters at a clean stop only.
#[test]
fn srsepc_counters_survive_kill_9() -> Result<()> {
    let (mut icf, subscriber) = Icf::with_one()?;
    let mut last = 0;
    for stop in [Icf::kill as fn(&mut Icf) -> Result<()>, |icf| icf.stop().map(drop), Icf::kill] {
        let mut peer = icf.connect(MME)?;
        for _ in 0..40 {
            let sqn = subscriber.sqn(&aka::vector(&peer.air(&subscriber.imsi, PLMN, 1, None)?)?)?;
            ensure!(sqn >> 5 > last, "SEQ {:x} after {last:x}", sqn >> 5);
            last = sqn >> 5;
        }
        stop(&mut icf)?;
        icf.start()?;
    }
    Ok(())
}

/// free5GC adds 1 to SQN, which is a step of IND: the same SEQ serves 32 times.
#[test]
fn free5gc_seq_moves_not_ind() -> Result<()> {
    let (icf, subscriber) = Icf::with_one()?;
    let mut peer = icf.connect(MME)?;
    let mut sqns = Vec::new();
    for _ in 0..100 {
        sqns.push(subscriber.sqn(&aka::vector(&peer.air(&subscriber.imsi, PLMN, 1, None)?)?)?);
    }
    for pair in sqns.windows(2) {
        ensure!(pair[1] >> 5 > pair[0] >> 5, "SEQ {:x} after {:x}", pair[1] >> 5, pair[0] >> 5);
        ensure!(pair[1] & 0x1f == pair[0] & 0x1f, "IND changed for one MME");
    }
    Ok(())
}
