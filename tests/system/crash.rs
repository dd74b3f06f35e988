//! kill -9 in the middle of load, again and again: no SEQ twice, nothing acknowledged lost.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use harness::{
    aka::{self, Subscriber},
    icf::{Icf, Settings},
    s6a::{AIR, ULR},
    wire::SUCCESS,
};

use crate::PLMN;

const KILLS: usize = 50;
const CLIENTS: usize = 4;
const SUBSCRIBERS: usize = 8;

/// What a client was told before the ICF died.
#[derive(Default)]
struct Acknowledged {
    /// Subscriber's number and SQN of each vector received.
    vectors: Vec<(usize, u64)>,
    /// Subscribers whose ULR was answered with success, in order.
    registered: Vec<usize>,
}

/// Asks until the connection breaks: the death of the ICF is the one end that this client knows.
fn client(icf: &Icf, number: usize, subscribers: &[Subscriber], dying: &AtomicBool) -> Result<Acknowledged> {
    let mut told = Acknowledged::default();
    let mut peer = match icf.connect(&identity(number)) {
        Ok(peer) => peer,
        Err(error) => {
            ensure!(dying.load(Ordering::SeqCst), "no connection before the kill: {error:#}");
            return Ok(told);
        }
    };
    let mut waiting = std::collections::HashMap::new();
    let mut turn = 0;
    loop {
        while waiting.len() < 8 {
            let which = (turn + number) % subscribers.len();
            let imsi = &subscribers[which].imsi;
            let session = peer.session();
            // Every seventh request registers; only client 0 does, so that the node is known.
            let request = if number == 0 && turn % 7 == 0 {
                peer.route.ulr(&session, imsi, PLMN)
            } else {
                peer.route.air(&session, imsi, PLMN, 1, None)
            };
            turn += 1;
            match peer.send(request) {
                Ok(hop_by_hop) => waiting.insert(hop_by_hop, which),
                Err(_) => break,
            };
        }
        let answer = match peer.receive(Duration::from_secs(20)) {
            Ok(answer) if answer.is_request() => continue,
            Ok(answer) => answer,
            Err(error) => {
                ensure!(dying.load(Ordering::SeqCst), "the connection broke before the kill: {error:#}");
                return Ok(told);
            }
        };
        let which = waiting.remove(&answer.hop_by_hop).context("an answer to nothing")?;
        ensure!(answer.result()? == SUCCESS, "{:?} to command {}", answer.result()?, answer.command);
        match answer.command {
            AIR => {
                let vector = aka::vector(&answer)?;
                told.vectors.push((which, subscribers[which].sqn(&vector)?));
            }
            ULR => told.registered.push(which),
            other => anyhow::bail!("an answer of command {other}"),
        }
    }
}

fn identity(number: usize) -> String {
    format!("mme{number}.localdomain")
}

#[test]
fn no_seq_is_repeated_and_no_registration_lost_over_fifty_kills() -> Result<()> {
    let subscribers: Vec<Subscriber> =
        (1..=SUBSCRIBERS as u64).map(Subscriber::random).collect::<Result<_>>()?;
    let peers = (0..CLIENTS).map(identity).collect();
    let mut icf = Icf::new(&Settings { peers, log: "warn", ..Settings::default() })?;
    icf.start()?;
    icf.provision(&subscribers)?;
    icf.stop()?;
    let mut seen = HashSet::new();
    let mut highest = vec![0; subscribers.len()];
    let mut registered: HashSet<usize> = HashSet::new();
    for kill in 0..KILLS {
        icf.start()?;
        for which in &registered {
            let path = format!("/v1/registrations/{}", subscribers[*which].imsi);
            let answer = icf.rest("GET", &path, None)?;
            ensure!(answer.status == 200, "after kill {kill} {path} is answered {}", answer.status);
            ensure!(answer.body.contains(&identity(0)), "{}", answer.body);
        }
        let dying = AtomicBool::new(false);
        // From "no answer yet" to "many leases": each life is of another length.
        let life = Duration::from_millis(5 + (kill as u64 * 37) % 200);
        let told = thread::scope(|scope| -> Result<Vec<Acknowledged>> {
            let threads: Vec<_> = (0..CLIENTS)
                .map(|number| {
                    let (icf, subscribers, dying) = (&icf, &subscribers, &dying);
                    scope.spawn(move || client(icf, number, subscribers, dying))
                })
                .collect();
            thread::sleep(life);
            dying.store(true, Ordering::SeqCst);
            icf.signal_kill()?;
            threads.into_iter().map(|thread| thread.join().ok().context("a client has panicked")?).collect()
        })?;
        icf.kill()?;
        let mut highest_now = highest.clone();
        for Acknowledged { vectors, registered: now } in told {
            for (which, sqn) in vectors {
                ensure!(
                    seen.insert((which, sqn >> 5)),
                    "kill {kill}: SEQ {:x} was handed out before",
                    sqn >> 5
                );
                ensure!(sqn >> 5 > highest[which], "kill {kill}: SEQ went back to {:x}", sqn >> 5);
                highest_now[which] = highest_now[which].max(sqn >> 5);
            }
            registered.extend(now);
        }
        highest = highest_now;
    }
    ensure!(seen.len() > KILLS * 10, "only {} vectors over {KILLS} lives: no load to speak of", seen.len());
    ensure!(registered.len() == SUBSCRIBERS, "only {} subscribers were registered", registered.len());
    Ok(())
}
