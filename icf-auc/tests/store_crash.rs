//! What was acknowledged survives `kill -9`, and no SEQ is granted twice (TS 33.102 §6.3.2, C.1).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails fails its test"
)]
#![cfg(unix)]

#[path = "store/fixture.rs"]
mod fixture;

use std::{
    collections::{BTreeMap, HashMap},
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use fixture::*;
use icf_auc::{
    model::Timestamp,
    store::{Done, Op, Store},
};

/// Set for the child: the folder of the database.
const FOLDER: &str = "STORE_CRASH_FOLDER";
/// Set for the child: how often it was started before.
const ROUND: &str = "STORE_CRASH_ROUND";
const KILLS: u64 = 60;
const SUBSCRIBERS: u64 = 40;
const TASKS: u64 = 4;

/// Commits until it is killed, and says what was acknowledged, a line each after the commit has returned.
async fn child(folder: &str) {
    let round: u64 = std::env::var(ROUND).unwrap().parse().unwrap();
    let store = Arc::new(open(Path::new(folder), KEY_1).await.unwrap());
    println!("\nready");
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for step in 0..u64::MAX {
                // Leases of all subscribers by all tasks; registrations of a task's own.
                let mut ops: Vec<Op> =
                    (0..SUBSCRIBERS).map(|n| lease(n, 1 + ((n + step) % 5) as u32)).collect();
                let own = task + TASKS * (step % (SUBSCRIBERS / TASKS));
                let stamp = i64::try_from(round * 1_000_000 + step).unwrap();
                let Op::Register { mut registration, count_attach, pool, take_over, notify } =
                    register(own, "mme")
                else {
                    unreachable!()
                };
                registration.registered_at = Timestamp(stamp);
                ops.push(Op::Register { registration, count_attach, pool, take_over, notify });
                let mut said = String::new();
                for result in ops.iter().zip(store.commit(&ops).await.unwrap()) {
                    match result {
                        (Op::Lease { imsi, .. }, Ok(Done::Lease(range))) => {
                            said += &format!("lease {imsi} {} {}\n", range.start, range.end);
                        }
                        (Op::Register { registration, .. }, Ok(_)) => {
                            said += &format!("registered {} {stamp} 0\n", registration.imsi);
                        }
                        other => panic!("{other:?}"),
                    }
                }
                if step % 4 == 0 {
                    let n = 1_000_000 * (round + 1) + step * TASKS + task;
                    store.insert(vec![credential(n)]).await.unwrap();
                    said += &format!("stored {} 0 0\n", imsi(n));
                }
                let mut out = std::io::stdout().lock();
                out.write_all(said.as_bytes()).unwrap();
                out.flush().unwrap();
            }
        });
    }
    tasks.join_all().await;
}

/// SEQ ranges granted so far, by IMSI: start to end.
#[derive(Default)]
struct Acknowledged {
    leases: HashMap<String, BTreeMap<u64, u64>>,
    registered: HashMap<String, i64>,
    stored: Vec<String>,
}

impl Acknowledged {
    fn line(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let [what, imsi, a, b] = words[..] else { return };
        match what {
            "lease" => {
                let (start, end): (u64, u64) = (a.parse().unwrap(), b.parse().unwrap());
                let granted = self.leases.entry(imsi.to_owned()).or_default();
                let before = granted.range(..end).next_back();
                assert!(
                    before.is_none_or(|(_, before_end)| *before_end <= start),
                    "{imsi}: {start}..{end} granted again after {before:?}"
                );
                granted.insert(start, end);
            }
            "registered" => {
                let stamp = a.parse().unwrap();
                let last = self.registered.entry(imsi.to_owned()).or_insert(stamp);
                *last = stamp.max(*last);
            }
            "stored" => self.stored.push(imsi.to_owned()),
            _ => {}
        }
    }
}

/// Starts a child, kills it after a while, and takes in what it said.
fn run_and_kill(folder: &Path, round: u64, all: &mut Acknowledged) -> usize {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "nothing_acknowledged_is_lost_and_no_seq_granted_twice_over_60_kills",
            "--nocapture",
        ])
        .env(FOLDER, folder)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while line != "ready\n" {
        line.clear();
        assert!(out.read_line(&mut line).unwrap() > 0, "the child ended before it was ready");
    }
    let mut lines = 0;
    // Three of four have acknowledged something before the time begins to run, however slow the machine is; the fourth
    // may be killed before.
    if !round.is_multiple_of(4) {
        line.clear();
        assert!(out.read_line(&mut line).unwrap() > 0, "the child ended before it acknowledged anything");
        all.line(line.trim_end());
        lines += 1;
    }
    // Not the same moment each time: at a commit, in a commit, between.
    let pause = Duration::from_micros(5_000 + round.wrapping_mul(2_654_435_761) % 60_000);
    let killer = std::thread::spawn(move || {
        std::thread::sleep(pause);
        child.kill().unwrap();
        child.wait().unwrap()
    });
    loop {
        line.clear();
        // A line without its end was cut off by the kill.
        if out.read_line(&mut line).unwrap() == 0 || !line.ends_with('\n') {
            break;
        }
        all.line(line.trim_end());
        lines += 1;
    }
    use std::os::unix::process::ExitStatusExt;
    assert_eq!(killer.join().unwrap().signal(), Some(9), "it ended by itself");
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_and_no_seq_granted_twice_over_60_kills() {
    if let Ok(folder) = std::env::var(FOLDER) {
        return child(&folder).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), KEY_1).await.unwrap();
    store.insert(credentials(0..SUBSCRIBERS)).await.unwrap();
    store.close().await;

    let mut all = Acknowledged::default();
    let busy = (0..KILLS).filter(|round| run_and_kill(folder.path(), *round, &mut all) > 0).count();
    assert!(busy > 10, "only {busy} of {KILLS} children acknowledged anything before they were killed");

    let store = open(folder.path(), KEY_1).await.unwrap();
    for n in 0..SUBSCRIBERS {
        let highest =
            all.leases.get(&imsi(n).to_string()).and_then(|g| g.last_key_value()).map_or(1, |(_, end)| *end);
        assert!(leased(&store, lease(n, 1)).await.start >= highest);
    }
    for (imsi, stamp) in &all.registered {
        let stored = store.registration(imsi.parse().unwrap()).await.unwrap();
        assert!(
            stored[0].registered_at.0 >= *stamp,
            "{imsi}: {stored:?} is older than what was acknowledged"
        );
    }
    for imsi in &all.stored {
        let stored = store.credential(imsi.parse().unwrap()).await.unwrap();
        assert!(stored.is_some(), "{imsi} was acknowledged and is gone");
    }
    assert!(!all.registered.is_empty() && !all.stored.is_empty());
}
