use std::{
    collections::VecDeque,
    sync::{
        Mutex,
        atomic::{AtomicI64, Ordering},
    },
};

use tokio::sync::mpsc;

use super::{run::Runner, *};
use crate::database::tests::open;

const START: i64 = 1_800_000_000_000;
const HOUR: Duration = Duration::from_secs(3600);

/// Answers as it is told, [`Delivery::Done`] after that, and remembers what it was asked.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Delivery>>,
    seen: Mutex<Vec<(String, u32)>>,
    gave_up: Mutex<Vec<(String, String)>>,
}

impl Script {
    fn of(answers: impl IntoIterator<Item = Delivery>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into_iter().collect()), ..Self::default() })
    }

    fn seen(&self) -> Vec<(String, u32)> {
        self.seen.lock().unwrap().clone()
    }

    fn gave_up(&self) -> Vec<(String, String)> {
        self.gave_up.lock().unwrap().clone()
    }
}

#[async_trait]
impl Deliver for Script {
    async fn deliver(&self, message: &Outgoing) -> Delivery {
        assert_eq!(message.body, b"body");
        self.seen.lock().unwrap().push((message.key.clone(), message.attempts));
        self.answers.lock().unwrap().pop_front().unwrap_or(Delivery::Done)
    }

    async fn gave_up(&self, message: &Outgoing, why: &str) {
        self.gave_up.lock().unwrap().push((message.key.clone(), why.to_owned()));
    }
}

/// An outbox whose clock is moved by hand.
struct Bench {
    outbox: Outbox,
    clock: Arc<AtomicI64>,
    _folder: tempfile::TempDir,
}

impl Bench {
    async fn new(policy: Policy) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut outbox = Outbox::new(open(folder.path()).await, policy);
        let clock = Arc::new(AtomicI64::new(START));
        let read = Arc::clone(&clock);
        outbox.clock = Arc::new(move || read.load(Ordering::SeqCst));
        Self { outbox, clock, _folder: folder }
    }

    async fn enqueue(&self, topic: &str, key: &str, give_up_after: Duration) -> bool {
        let mut tx = self.outbox.db.write().await.unwrap();
        let message = Message { topic, key, body: b"body", give_up_after };
        let new = table::insert(&mut tx, &message, self.clock.load(Ordering::SeqCst)).await.unwrap();
        tx.commit().await.unwrap();
        new
    }

    async fn next_at(&self, key: &str) -> i64 {
        let (at,): (i64,) = sqlx::query_as("SELECT next_at FROM outgoing_message WHERE key = ?1")
            .bind(key)
            .fetch_one(&self.outbox.db.readers)
            .await
            .unwrap();
        at
    }

    async fn outcome(&self, key: &str) -> (Option<String>, bool) {
        sqlx::query_as("SELECT outcome, body IS NULL FROM outgoing_message WHERE key = ?1")
            .bind(key)
            .fetch_one(&self.outbox.db.readers)
            .await
            .unwrap()
    }

    fn runner(&self, script: &Arc<Script>) -> Runner {
        Runner::new(self.outbox.clone(), Arc::clone(script) as Arc<dyn Deliver>)
    }
}

/// Tries what is due now, and waits for what becomes of it.
async fn round(runner: &mut Runner) -> Duration {
    let pause = runner.look().await.unwrap();
    runner.drain().await;
    pause
}

fn retry() -> Delivery {
    Delivery::Retry("no answer".into())
}

#[tokio::test]
async fn a_key_is_enqueued_once_also_after_it_was_delivered() {
    let bench = Bench::new(Policy::default()).await;
    assert!(bench.enqueue("t", "a", HOUR).await);
    assert!(!bench.enqueue("t", "a", HOUR).await);
    assert!(bench.enqueue("other", "a", HOUR).await, "keys are of their topic");
    assert_eq!(bench.outbox.pending().await.unwrap(), 2);
    let script = Script::of([]);
    let mut runner = bench.runner(&script);
    round(&mut runner).await;
    assert_eq!(script.seen().len(), 2);
    assert_eq!(bench.outbox.pending().await.unwrap(), 0);
    assert_eq!(bench.outcome("a").await, (Some("done".into()), true), "what was sent is not kept");
    assert!(!bench.enqueue("t", "a", HOUR).await);
    round(&mut runner).await;
    assert_eq!(script.seen().len(), 2);

    bench.clock.fetch_add(31 * 24 * milliseconds(HOUR), Ordering::SeqCst);
    round(&mut runner).await;
    assert!(bench.enqueue("t", "a", HOUR).await, "after 30 days the key is forgotten");
}

#[tokio::test]
async fn what_is_rolled_back_is_never_sent() {
    let bench = Bench::new(Policy::default()).await;
    let mut tx = bench.outbox.db.write().await.unwrap();
    let message = Message { topic: "t", key: "a", body: b"body", give_up_after: HOUR };
    assert!(enqueue(&mut tx, &message).await.unwrap());
    drop(tx);
    let script = Script::of([]);
    round(&mut bench.runner(&script)).await;
    assert_eq!(script.seen(), []);
}

#[tokio::test]
async fn a_failure_is_tried_again_later_and_later() {
    let policy =
        Policy { first: Duration::from_secs(1), factor: 2.0, max: Duration::from_secs(4), parallel: 1 };
    let bench = Bench::new(policy).await;
    bench.enqueue("t", "a", HOUR).await;
    let script = Script::of([retry(), retry(), retry(), retry()]);
    let mut runner = bench.runner(&script);
    for (tries, delay) in [(1, 1000), (2, 2000), (3, 4000), (4, 4000)] {
        round(&mut runner).await;
        assert_eq!(script.seen().len(), tries);
        let (now, next) = (bench.clock.load(Ordering::SeqCst), bench.next_at("a").await);
        assert!((delay..=delay + delay / 4).contains(&(next - now)), "after {tries}: {}", next - now);
        bench.clock.store(next - 1, Ordering::SeqCst);
        assert_eq!(round(&mut runner).await, Duration::from_millis(1), "it is known when it is due");
        assert_eq!(script.seen().len(), tries, "not before its time");
        bench.clock.store(next, Ordering::SeqCst);
    }
    round(&mut runner).await;
    assert_eq!(script.seen().last(), Some(&("a".to_owned(), 4)));
    assert_eq!(bench.outbox.pending().await.unwrap(), 0);
    assert_eq!(script.gave_up(), []);
}

#[test]
fn no_number_of_failures_makes_the_delay_overflow() {
    let policy = Policy::default();
    for attempts in [0, 1, 7, 1000, u32::MAX] {
        for random in [0.0, 1.0] {
            let delay = policy.delay(attempts, random);
            assert!(delay >= policy.first && delay <= policy.max + policy.max / 4, "{attempts}: {delay:?}");
        }
    }
}

#[tokio::test]
async fn what_is_never_taken_is_given_up_at_once() {
    let bench = Bench::new(Policy::default()).await;
    bench.enqueue("t", "a", HOUR).await;
    let script = Script::of([Delivery::GiveUp("unknown device".into())]);
    let mut runner = bench.runner(&script);
    round(&mut runner).await;
    assert_eq!(script.gave_up(), [("a".to_owned(), "unknown device".to_owned())]);
    assert_eq!(bench.outcome("a").await, (Some("unknown device".into()), true));
    assert_eq!(bench.outbox.pending().await.unwrap(), 0);
    round(&mut runner).await;
    assert_eq!(script.seen().len(), 1);
    assert!(!bench.enqueue("t", "a", HOUR).await);
}

#[tokio::test]
async fn when_its_time_has_passed_it_is_tried_once_more_and_given_up() {
    let bench = Bench::new(Policy { first: HOUR, max: HOUR, ..Policy::default() }).await;
    bench.enqueue("t", "a", Duration::from_secs(3)).await;
    let script = Script::of([retry(), retry()]);
    let mut runner = bench.runner(&script);
    round(&mut runner).await;
    assert_eq!(bench.next_at("a").await, START + 3000);
    assert_eq!(script.gave_up(), []);
    bench.clock.store(START + 3000, Ordering::SeqCst);
    round(&mut runner).await;
    assert_eq!(script.seen(), [("a".to_owned(), 0), ("a".to_owned(), 1)]);
    let [(key, why)] = &script.gave_up()[..] else { panic!("{:?}", script.gave_up()) };
    assert!(key == "a" && why.contains("its time has passed") && why.contains("no answer"), "{why}");
    assert_eq!(bench.outbox.pending().await.unwrap(), 0);
}

#[tokio::test]
async fn a_clock_that_was_ahead_holds_nothing_back() {
    let bench = Bench::new(Policy::default()).await;
    let script = Script::of([retry()]);
    let mut runner = bench.runner(&script);
    // A day ahead: one is tried in vain, and one is written after the look.
    bench.clock.store(START + 86_400_000, Ordering::SeqCst);
    bench.enqueue("t", "a", HOUR).await;
    round(&mut runner).await;
    bench.enqueue("t", "b", HOUR).await;
    assert_eq!(script.seen(), [("a".to_owned(), 0)]);
    // Set right while the process runs; and between two processes.
    for (mut runner, of) in [(runner, "a"), (bench.runner(&script), "b")] {
        bench.clock.store(START, Ordering::SeqCst);
        round(&mut runner).await;
        // 60 s and a quarter: the longest that one waits.
        assert!(bench.next_at(of).await <= START + 75_000, "{of}");
    }
    bench.clock.store(START + 75_000, Ordering::SeqCst);
    round(&mut bench.runner(&script)).await;
    assert_eq!(bench.outbox.pending().await.unwrap(), 0);
}

struct Panics;

#[async_trait]
impl Deliver for Panics {
    async fn deliver(&self, message: &Outgoing) -> Delivery {
        panic!("{} cannot be sent", message.key)
    }
}

#[tokio::test]
async fn a_sender_that_panics_is_tried_again_and_holds_no_place() {
    let bench = Bench::new(Policy { parallel: 1, ..Policy::default() }).await;
    bench.enqueue("t", "a", HOUR).await;
    let mut runner = Runner::new(bench.outbox.clone(), Arc::new(Panics));
    round(&mut runner).await;
    assert!(bench.next_at("a").await > START);
    bench.enqueue("t", "b", HOUR).await;
    round(&mut runner).await;
    assert!(bench.next_at("b").await > START, "there is a place for the next");
}

/// Says what it was asked, and answers those of the topic `slow` only when it is released.
struct Slow {
    asked: mpsc::UnboundedSender<(String, String)>,
    release: CancellationToken,
}

#[async_trait]
impl Deliver for Slow {
    async fn deliver(&self, message: &Outgoing) -> Delivery {
        self.asked.send((message.topic.clone(), message.key.clone())).unwrap();
        if message.topic == "slow" {
            self.release.cancelled().await;
        }
        Delivery::Done
    }
}

#[tokio::test]
async fn a_slow_target_holds_up_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = Outbox::new(open(folder.path()).await, Policy { parallel: 1, ..Policy::default() });
    let mut tx = outbox.db.write().await.unwrap();
    for topic in ["fast", "slow"] {
        for key in ["1", "2", "3"] {
            let message = Message { topic, key, body: b"body", give_up_after: HOUR };
            enqueue(&mut tx, &message).await.unwrap();
        }
    }
    tx.commit().await.unwrap();
    let (asked, mut asks) = mpsc::unbounded_channel();
    let (release, stop) = (CancellationToken::new(), CancellationToken::new());
    let deliver = Arc::new(Slow { asked, release: release.clone() });
    let task = tokio::spawn(outbox.clone().run(deliver, stop.clone()));

    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(asks.recv().await.unwrap());
    }
    seen.sort();
    let pair = |topic: &str, key: &str| (topic.to_owned(), key.to_owned());
    assert_eq!(
        seen,
        [pair("fast", "1"), pair("fast", "2"), pair("fast", "3"), pair("slow", "1")],
        "all of the fast one, and no more than one place for the slow one"
    );
    release.cancel();
    assert_eq!(asks.recv().await.unwrap(), pair("slow", "2"));
    assert_eq!(asks.recv().await.unwrap(), pair("slow", "3"));
    stop.cancel();
    task.await.unwrap();
    assert_eq!(outbox.pending().await.unwrap(), 0, "an attempt under way at the stop is brought to its end");
}

#[tokio::test]
async fn what_was_cut_by_the_end_of_the_process_is_sent_again_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path()).await;
    let mut tx = db.write().await.unwrap();
    let message = Message { topic: "slow", key: "a", body: b"body", give_up_after: HOUR };
    enqueue(&mut tx, &message).await.unwrap();
    tx.commit().await.unwrap();
    let (asked, mut asks) = mpsc::unbounded_channel();
    let deliver = Arc::new(Slow { asked, release: CancellationToken::new() });
    let mut runner = Runner::new(Outbox::new(db.clone(), Policy::default()), deliver);
    runner.look().await.unwrap();
    // The receiver has it, and before that is stored everything ends.
    asks.recv().await.unwrap();
    drop(runner);
    db.close().await;

    let outbox = Outbox::new(open(folder.path()).await, Policy::default());
    let script = Script::of([]);
    let mut runner = Runner::new(outbox.clone(), Arc::clone(&script) as Arc<dyn Deliver>);
    round(&mut runner).await;
    assert_eq!(script.seen(), [("a".to_owned(), 0)]);
    assert_eq!(outbox.pending().await.unwrap(), 0);
}

#[test]
fn bodies_are_not_shown() {
    let message = Message { topic: "t", key: "a", body: b"secret", give_up_after: HOUR };
    let outgoing = Outgoing {
        id: 1,
        topic: "t".into(),
        key: "a".into(),
        body: b"secret".to_vec(),
        created_at: 0,
        attempts: 0,
    };
    for text in [format!("{message:?}"), format!("{outgoing:?}")] {
        assert!(text.contains("t/a") && text.contains("6 octets"), "{text}");
        assert!(!text.contains("secret") && !text.contains("115"), "{text}");
    }
}

#[tokio::test]
async fn of_what_has_ended_the_last_ten_thousand_are_kept() {
    let bench = Bench::new(Policy::default()).await;
    let ended = table::MOST_KEPT + 2500;
    sqlx::query(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) \
         INSERT INTO outgoing_message (topic, key, created_at, next_at, give_up_at, attempts, ended_at, outcome) \
         SELECT 'notice', i, ?2, ?2, ?2, 1, ?2 + i, 'done' FROM n",
    )
    .bind(ended)
    .bind(START)
    .execute(&bench.outbox.db.writer)
    .await
    .unwrap();
    assert!(bench.enqueue("notice", "waits", HOUR).await);
    table::forget(&bench.outbox.db, START + 1).await.unwrap();
    let (kept, first): (i64, i64) = sqlx::query_as(
        "SELECT count(*), min(CAST(key AS INTEGER)) FROM outgoing_message WHERE ended_at IS NOT NULL",
    )
    .fetch_one(&bench.outbox.db.readers)
    .await
    .unwrap();
    assert_eq!((kept, first), (table::MOST_KEPT, 2501));
    assert_eq!(bench.outbox.pending().await.unwrap(), 1);
}

#[tokio::test]
async fn a_damaged_message_or_topic_keeps_no_other_waiting() {
    let bench = Bench::new(Policy { parallel: 1, ..Policy::default() }).await;
    for (topic, key) in [("t", "damaged"), ("t", "whole"), ("u", "other topic"), ("v", "lost")] {
        bench.enqueue(topic, key, HOUR).await;
    }
    for damage in [
        "UPDATE outgoing_message SET attempts = -5 WHERE key = 'damaged'",
        "UPDATE outgoing_message SET topic = CAST(x'ff' AS TEXT) WHERE key = 'lost'",
    ] {
        sqlx::query(damage).execute(&bench.outbox.db.writer).await.unwrap();
    }
    let script = Script::of([]);
    let mut runner = bench.runner(&script);
    for _ in 0..3 {
        round(&mut runner).await;
    }
    let mut seen = script.seen();
    seen.sort();
    assert_eq!(seen, [("other topic".to_owned(), 0), ("whole".to_owned(), 0)]);
    assert!(bench.next_at("damaged").await > START, "it is tried again later: it may be repaired");
}
