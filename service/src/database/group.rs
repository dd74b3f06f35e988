//! Group commit: writes of many callers, one after the other, in one transaction that is made durable once.
//!
//! A write is a closure. It runs on a thread of its own, so that the one connection that writes never waits for its turn
//! in a runtime that is busy with something else; each within a savepoint, so that one that fails takes back itself
//! alone. Nobody is answered before the transaction is durable, not even who has only read in it, or failed: what it saw
//! may be another's that is not durable yet.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::{FutureExt, future::LocalBoxFuture};
use sqlx::{Sqlite, SqliteConnection, SqlitePool, pool::PoolConnection};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{explain, status::WriteStatus};

/// Writes of one transaction at most,
const MOST: usize = 512;
/// and how long it gathers them: what comes later goes into the next one.
const GATHERED: Duration = Duration::from_millis(20);

/// Tells a caller what came of its write, once it is known whether the transaction is durable.
type Tell = Box<dyn FnOnce(Result<(), sqlx::Error>) + Send>;

/// A write that waits for its turn.
trait Waiting: Send {
    /// Runs it; gives whether what it wrote stays. `None`: its caller has gone, and it has not run.
    fn run<'c>(self: Box<Self>, tx: &'c mut SqliteConnection) -> LocalBoxFuture<'c, Option<(bool, Tell)>>
    where
        Self: 'c;
    /// It will not be run.
    fn refuse(self: Box<Self>, error: sqlx::Error);
}

struct Write<T, E, W> {
    work: W,
    caller: oneshot::Sender<Result<T, E>>,
}

impl<T, E, W> Waiting for Write<T, E, W>
where
    T: Send + 'static,
    E: From<sqlx::Error> + Send + 'static,
    W: AsyncFnOnce(&mut SqliteConnection) -> Result<T, E> + Send + 'static,
{
    fn run<'c>(self: Box<Self>, tx: &'c mut SqliteConnection) -> LocalBoxFuture<'c, Option<(bool, Tell)>>
    where
        Self: 'c,
    {
        async move {
            let Self { work, caller } = *self;
            if caller.is_closed() {
                return None;
            }
            let result = work(tx).await;
            let keep = result.is_ok();
            let tell: Tell = Box::new(move |durable| {
                let _ = caller.send(durable.map_err(E::from).and(result));
            });
            Some((keep, tell))
        }
        .boxed_local()
    }

    fn refuse(self: Box<Self>, error: sqlx::Error) {
        let _ = self.caller.send(Err(error.into()));
    }
}

/// Takes writes. A clone is another handle to the same thread, which ends with the last one.
#[derive(Clone)]
pub(super) struct Group(mpsc::UnboundedSender<Box<dyn Waiting>>);

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Group")
    }
}

impl Group {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the system gives none.
    pub(super) fn start(writer: SqlitePool, status: WriteStatus) -> std::io::Result<Self> {
        let (queue, waiting) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        std::thread::Builder::new()
            .name("database".to_owned())
            .spawn(move || runtime.block_on(run(writer, waiting, status)))?;
        Ok(Self(queue))
    }

    /// See [`Database::transact`](super::Database::transact).
    pub(super) async fn transact<T, E, W>(&self, work: W) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<sqlx::Error> + Send + 'static,
        W: AsyncFnOnce(&mut SqliteConnection) -> Result<T, E> + Send + 'static,
    {
        let (caller, outcome) = oneshot::channel();
        // If the thread has ended, the write is dropped, and `caller` with it.
        let _ = self.0.send(Box::new(Write { work, caller }));
        outcome.await.unwrap_or_else(|_| Err(sqlx::Error::WorkerCrashed.into()))
    }
}

async fn run(
    writer: SqlitePool,
    mut waiting: mpsc::UnboundedReceiver<Box<dyn Waiting>>,
    status: WriteStatus,
) {
    while let Some(first) = waiting.recv().await {
        let mut tells = Vec::new();
        match status.observe(transaction(&writer, first, &mut waiting, &mut tells).await) {
            Ok(()) => tells.into_iter().for_each(|tell| tell(Ok(()))),
            Err(error) => tells.into_iter().for_each(|tell| tell(Err(copy(&error)))),
        }
    }
}

/// One transaction: what waits, and what comes while it is at work. An error: nothing of it is durable.
async fn transaction(
    writer: &SqlitePool,
    first: Box<dyn Waiting>,
    waiting: &mut mpsc::UnboundedReceiver<Box<dyn Waiting>>,
    tells: &mut Vec<Tell>,
) -> Result<(), sqlx::Error> {
    let mut connection = match begin(writer).await {
        Ok(connection) => connection,
        Err(error) => {
            first.refuse(copy(&error));
            return Err(error);
        }
    };
    let (since, mut ran, mut next) = (Instant::now(), 0, Some(first));
    while let Some(write) = next {
        if let Err(error) = within_savepoint(&mut connection, write, tells).await {
            // The failed statement itself has told its writer more than there is to see here.
            let text = format!(
                "SQLite has taken back the transaction: the disk is full or reports an error ({error})"
            );
            return Err(abandon(connection, sqlx::Error::Io(std::io::Error::other(text))).await);
        }
        ran += 1;
        next = (ran < MOST && since.elapsed() < GATHERED).then(|| waiting.try_recv().ok()).flatten();
    }
    match statement(&mut connection, "COMMIT").await {
        Ok(()) => Ok(()),
        Err(error) => Err(abandon(connection, error).await),
    }
}

/// Has the write lock from the start, whoever else has the file open.
async fn begin(writer: &SqlitePool) -> Result<PoolConnection<Sqlite>, sqlx::Error> {
    let mut connection = writer.acquire().await?;
    match statement(&mut connection, "BEGIN IMMEDIATE").await {
        Ok(()) => Ok(connection),
        Err(error) => Err(abandon(connection, error).await),
    }
}

/// Runs one write. An error: the transaction is not what it was before.
async fn within_savepoint(
    connection: &mut SqliteConnection,
    write: Box<dyn Waiting>,
    tells: &mut Vec<Tell>,
) -> Result<(), sqlx::Error> {
    if let Err(error) = statement(connection, "SAVEPOINT member").await {
        write.refuse(copy(&error));
        return Err(error);
    }
    let keep = match AssertUnwindSafe(write.run(connection)).catch_unwind().await {
        Ok(Some((keep, tell))) => {
            tells.push(tell);
            keep
        }
        Ok(None) => false,
        // Its caller is told as the channel was dropped.
        Err(_) => {
            tracing::error!("a write to the database panicked; it is taken back");
            false
        }
    };
    if !keep {
        statement(connection, "ROLLBACK TO member").await?;
    }
    statement(connection, "RELEASE member").await
}

/// Closing takes back what is not committed, whatever state the transaction is in; the pool opens another connection.
async fn abandon(connection: PoolConnection<Sqlite>, error: sqlx::Error) -> sqlx::Error {
    tracing::error!(error = explain(&error), "a transaction is taken back");
    if let Err(error) = connection.close().await {
        tracing::warn!(%error, "a connection to the database did not close well");
    }
    error
}

async fn statement(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), sqlx::Error> {
    sqlx::query(sql).execute(connection).await.map(drop)
}

/// For each caller its own.
fn copy(error: &sqlx::Error) -> sqlx::Error {
    match error {
        sqlx::Error::PoolTimedOut => sqlx::Error::PoolTimedOut,
        sqlx::Error::PoolClosed => sqlx::Error::PoolClosed,
        other => sqlx::Error::Io(std::io::Error::other(explain(other))),
    }
}

#[cfg(test)]
mod tests;
