//! Messages that are delivered at least once: written in the transaction that they tell of, and tried until they are
//! answered, across restarts. The receiver tells repetitions by the message's key.

mod run;
mod table;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use sqlx::SqliteConnection;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::database::{Database, DatabaseError};

/// SQL of the table: one of a schema's migrations, `("outbox", service::outbox::MIGRATION)`.
pub const MIGRATION: &str = include_str!("outbox/migration.sql");

/// A message to be sent.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    /// What kind, and to whom if targets differ: topics do not wait for one another.
    pub topic: &'a str,
    /// Unique in its topic; the receiver deduplicates by it.
    pub key: &'a str,
    /// What is sent. It is stored as it is: seal what is secret.
    pub body: &'a [u8],
    /// After this it is not tried again.
    pub give_up_after: Duration,
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({}/{}, {} octets)", self.topic, self.key, self.body.len())
    }
}

/// Puts a message in the table, in the caller's transaction; after the commit, [`Outbox::wake`]. `false`: that key
/// was there already, perhaps delivered (of those the last 10,000 are known, for 30 days), and nothing is changed.
///
/// # Errors
/// The statement's.
pub async fn enqueue(tx: &mut SqliteConnection, message: &Message<'_>) -> Result<bool, sqlx::Error> {
    table::insert(tx, message, wall_clock()).await
}

/// A message on its way.
#[derive(Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Row.
    pub id: i64,
    /// What kind.
    pub topic: String,
    /// By which the receiver deduplicates.
    pub key: String,
    /// What is sent.
    pub body: Vec<u8>,
    /// When it was enqueued, milliseconds since 1970 UTC.
    pub created_at: i64,
    /// How often it was tried before.
    pub attempts: u32,
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Outgoing({}, {}/{}, {} octets, tried {} times)",
            self.id,
            self.topic,
            self.key,
            self.body.len(),
            self.attempts
        )
    }
}

/// What became of an attempt. Reasons are stored and logged: no secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The receiver has it.
    Done,
    /// Try again later; why it failed.
    Retry(String),
    /// It will never be taken; why.
    GiveUp(String),
}

/// Who sends. A time limit for each attempt is its own business: an attempt without an end holds a place of its topic.
#[async_trait]
pub trait Deliver: Send + Sync + 'static {
    /// Tries once. A crash after this and before the result is stored repeats it.
    async fn deliver(&self, message: &Outgoing) -> Delivery;

    /// It was given up, by [`Delivery::GiveUp`] or as its time has passed. Called before that is stored, so at least
    /// once.
    async fn gave_up(&self, message: &Outgoing, why: &str) {
        let _ = (message, why);
    }
}

/// How often, and how many at a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// Delay after the first failure.
    pub first: Duration,
    /// Each further delay is so many times longer,
    pub factor: f64,
    /// up to this. Up to a quarter more is added at random, so that not all come back at once.
    pub max: Duration,
    /// Deliveries at a time of one topic.
    pub parallel: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), factor: 2.0, max: Duration::from_secs(60), parallel: 16 }
    }
}

impl Policy {
    /// Delay after failure number `attempts`, from 1; `random` from 0 to 1.
    fn delay(&self, attempts: u32, random: f64) -> Duration {
        let exponent = i32::try_from(attempts.saturating_sub(1)).unwrap_or(i32::MAX);
        let growth = self.factor.max(1.0).powi(exponent);
        let max = self.max.max(self.first).as_secs_f64();
        let delay = (self.first.as_secs_f64() * growth).min(max) * (1.0 + random / 4.0);
        Duration::try_from_secs_f64(delay).unwrap_or(self.max)
    }
}

/// Milliseconds since 1970 UTC.
type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

fn wall_clock() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, milliseconds)
}

fn milliseconds(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// The messages of a database. A clone is another handle. One process of those that share the database runs it:
/// with two, messages go out twice.
#[derive(Clone)]
pub struct Outbox {
    db: Database,
    policy: Policy,
    woken: Arc<Notify>,
    clock: Clock,
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outbox({})", self.db.path())
    }
}

impl Outbox {
    /// The messages in `db`, whose schema has [`MIGRATION`].
    #[must_use]
    pub fn new(db: Database, policy: Policy) -> Self {
        Self { db, policy, woken: Arc::new(Notify::new()), clock: Arc::new(wall_clock) }
    }

    /// Looks for messages now. Call it when a transaction with [`enqueue`] has been committed; what another process
    /// enqueues is found within five seconds.
    pub fn wake(&self) {
        self.woken.notify_one();
    }

    /// Delivers until `stop`; then gives attempts under way five seconds.
    pub async fn run(self, deliver: Arc<dyn Deliver>, stop: CancellationToken) {
        run::Runner::new(self, deliver).run(stop).await;
    }

    /// How many messages are on their way.
    ///
    /// # Errors
    /// The database's.
    pub async fn pending(&self) -> Result<u64, DatabaseError> {
        Ok(table::pending(&self.db).await?)
    }
}

#[cfg(test)]
mod tests;
