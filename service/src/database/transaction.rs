//! A transaction of one caller.

use std::ops::{Deref, DerefMut};

use sqlx::{Sqlite, SqliteConnection, Transaction};

use super::status::WriteStatus;

/// A transaction that has the write lock; see [`Database::write`](super::Database::write). Dropped, it rolls back.
///
/// SQLite ends a transaction by itself when the disk is full or reports an error
/// (<https://www.sqlite.org/lang_transaction.html>, section 3), also in the middle of COMMIT. What sqlx counts as the
/// connection's depth is wrong from then on; the pool therefore closes a connection that is given back with a depth
/// above 0 and opens another one, see `open.rs`.
#[derive(Debug)]
pub struct WriteTransaction {
    inner: Transaction<'static, Sqlite>,
    status: WriteStatus,
}

impl WriteTransaction {
    pub(super) fn new(inner: Transaction<'static, Sqlite>, status: WriteStatus) -> Self {
        Self { inner, status }
    }

    /// Makes durable what was written.
    ///
    /// # Errors
    /// If it could not be made durable. Nothing of it is visible then, to nobody; only a crash of the process or the
    /// machine before the next successful write may bring it back, as a whole.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        self.status.observe(self.inner.commit().await)
    }
}

impl Deref for WriteTransaction {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.inner
    }
}

impl DerefMut for WriteTransaction {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.inner
    }
}
