//! A SEQ is never handed out twice, whoever asks and however many at once.

use std::{collections::HashSet, thread};

use anyhow::{Context, Result, ensure};
use harness::{
    aka::{self, Subscriber},
    icf::{Icf, Settings},
};

use crate::PLMN;

const CONNECTIONS: usize = 64;
const AIRS: usize = 50;
/// Requests of one connection that wait at the same time.
const WINDOW: usize = 8;

/// All vectors of one IMSI that 64 MMEs get when each keeps a window of AIRs open.
fn storm(icf: &Icf, subscriber: &Subscriber, vectors: u32) -> Result<Vec<Vec<u64>>> {
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for number in 0..CONNECTIONS {
            threads.push(scope.spawn(move || -> Result<Vec<u64>> {
                let mut peer = icf.connect(&identity(number))?;
                let mut sqns = Vec::new();
                let (mut sent, mut waiting) = (0, 0);
                while sent < AIRS || waiting > 0 {
                    if sent < AIRS && waiting < WINDOW {
                        let session = peer.session();
                        let air = peer.route.air(&session, &subscriber.imsi, PLMN, vectors, None);
                        peer.send(air)?;
                        (sent, waiting) = (sent + 1, waiting + 1);
                        continue;
                    }
                    let answer = peer.receive(std::time::Duration::from_secs(30))?;
                    waiting -= 1;
                    for vector in aka::vectors(&answer)? {
                        sqns.push(subscriber.sqn(&vector)?);
                    }
                }
                Ok(sqns)
            }));
        }
        threads
            .into_iter()
            .map(|thread| thread.join().ok().context("a client thread has panicked")?)
            .collect()
    })
}

fn identity(number: usize) -> String {
    format!("mme{number}.localdomain")
}

fn settings() -> Settings {
    let peers = (0..CONNECTIONS).map(identity).collect();
    Settings { peers, max_vectors: 5, ..Settings::default() }
}

fn no_seq_twice(per_connection: &[Vec<u64>]) -> Result<usize> {
    let mut seen = HashSet::new();
    for sqn in per_connection.iter().flatten() {
        ensure!(seen.insert(sqn >> 5), "SEQ {:x} was handed out twice", sqn >> 5);
    }
    Ok(seen.len())
}

#[test]
fn sixty_four_connections_asking_for_one_imsi_share_no_seq() -> Result<()> {
    let subscriber = Subscriber::random(1)?;
    let icf = Icf::with(&settings(), std::slice::from_ref(&subscriber))?;
    let sqns = storm(&icf, &subscriber, 1)?;
    ensure!(no_seq_twice(&sqns)? == CONNECTIONS * AIRS);
    for (number, sqns) in sqns.iter().enumerate() {
        let inds: HashSet<u64> = sqns.iter().map(|sqn| sqn & 0x1f).collect();
        ensure!(inds.len() == 1, "mme{number} got vectors of {} INDs (TS 33.102 §C.1.2)", inds.len());
    }
    let inds: HashSet<u64> = sqns.iter().flatten().map(|sqn| sqn & 0x1f).collect();
    ensure!(inds.len() == 32, "64 nodes use {} of the 32 INDs", inds.len());
    Ok(())
}

#[test]
fn batches_of_five_of_sixty_four_connections_share_no_seq() -> Result<()> {
    let subscriber = Subscriber::random(1)?;
    let icf = Icf::with(&settings(), std::slice::from_ref(&subscriber))?;
    let sqns = storm(&icf, &subscriber, 5)?;
    ensure!(no_seq_twice(&sqns)? == CONNECTIONS * AIRS * 5);
    for batch in sqns.iter().flat_map(|sqns| sqns.chunks(5)) {
        ensure!(batch.windows(2).all(|pair| pair[0] < pair[1]), "a batch is out of order: {batch:x?}");
    }
    Ok(())
}
