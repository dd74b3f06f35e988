//! Many rows at a time: one that cannot be read must not keep the others from being served, sent or swept.

use std::{fmt::Display, sync::LazyLock};

use prometheus::{IntCounter, Opts, Registry};
use sqlx::{Row, sqlite::SqliteRow};

/// Of all databases of this process; a row is counted each time that it is left out.
static UNREADABLE: LazyLock<Option<IntCounter>> = LazyLock::new(|| {
    let help = "Rows of the database that could not be read and were left out; the log says which";
    IntCounter::with_opts(Opts::new("callhome_database_unreadable_rows_total", help)).ok()
});

pub(super) fn register(registry: &Registry) -> Result<(), prometheus::Error> {
    UNREADABLE.as_ref().map_or(Ok(()), |counter| registry.register(Box::new(counter.clone())))
}

/// Counts a row that is left out.
pub(crate) fn count_unreadable() {
    if let Some(counter) = &*UNREADABLE {
        counter.inc();
    }
}

/// Those of many rows that can be read. One that cannot is logged, counted and left out. `what` names such a row, as "a
/// registration"; errors say which one it is, or else use [`readable_rows`].
pub fn readable<T, E: Display>(what: &str, rows: impl IntoIterator<Item = Result<T, E>>) -> Vec<T> {
    let read = rows.into_iter().filter_map(|row| {
        row.map_err(|error| {
            tracing::error!(%error, "{what} cannot be read, and is left out");
            count_unreadable();
        })
        .ok()
    });
    read.collect()
}

/// As [`readable`]; the row that is left out is logged with its identity, which is in the column `key`.
pub fn readable_rows<T, E: Display>(
    what: &str,
    key: &str,
    rows: &[SqliteRow],
    read: impl Fn(&SqliteRow) -> Result<T, E>,
) -> Vec<T> {
    let read = rows.iter().filter_map(|row| {
        read(row)
            .map_err(|error| {
                let id = identity(row, key);
                tracing::error!(id, %error, "{what} cannot be read, and is left out");
                count_unreadable();
            })
            .ok()
    });
    read.collect()
}

/// What the column `key` of a row says, whatever its type is; without control characters.
fn identity(row: &SqliteRow, key: &str) -> String {
    let octets = row.try_get_unchecked::<Vec<u8>, _>(key).unwrap_or_else(|_| b"?".to_vec());
    String::from_utf8_lossy(&octets).chars().take(100).flat_map(char::escape_debug).collect()
}

/// A page of a listing that is as long as asked although rows are left out: further ones are read for them. Otherwise the
/// page would look like the last one, and whoever reads page by page would end there.
///
/// ```ignore
/// let mut page = ReadablePage::new("a contract", "device_id", after, limit);
/// while let Some((after, limit)) = page.wanted() {
///     let rows = query(after, limit).await?;
///     page.add(&rows, contract, |row| row.try_get("device_id"))?;
/// }
/// Ok(page.items())
/// ```
#[derive(Debug)]
pub struct ReadablePage<C, T> {
    what: &'static str,
    key: &'static str,
    after: C,
    limit: u32,
    items: Vec<T>,
    ended: bool,
}

impl<C: Clone, T> ReadablePage<C, T> {
    /// `limit` rows behind `after`. `what` and `key`: as for [`readable_rows`].
    #[must_use]
    pub fn new(what: &'static str, key: &'static str, after: C, limit: u32) -> Self {
        Self { what, key, after, limit, items: Vec::new(), ended: false }
    }

    /// Behind what to read next, and how many rows; `None`: the page is full, or there are no more.
    #[must_use]
    pub fn wanted(&self) -> Option<(C, u32)> {
        let missing = self.limit.saturating_sub(u32::try_from(self.items.len()).unwrap_or(u32::MAX));
        (!self.ended && missing > 0).then(|| (self.after.clone(), missing))
    }

    /// Adds the rows that were [`wanted`](Self::wanted); `cursor` gives where the listing is at a row.
    ///
    /// # Errors
    /// Those of `cursor`: where to go on is not known.
    pub fn add<E: Display>(
        &mut self,
        rows: &[SqliteRow],
        read: impl Fn(&SqliteRow) -> Result<T, E>,
        cursor: impl Fn(&SqliteRow) -> Result<C, sqlx::Error>,
    ) -> Result<(), sqlx::Error> {
        let wanted = self.wanted().map_or(0, |(_, wanted)| wanted as usize);
        self.ended = rows.len() < wanted;
        if let (Some(last), false) = (rows.last(), self.ended) {
            self.after = cursor(last)?;
        }
        self.items.extend(readable_rows(self.what, self.key, rows, read));
        Ok(())
    }

    /// The page.
    #[must_use]
    pub fn items(self) -> Vec<T> {
        self.items
    }
}
