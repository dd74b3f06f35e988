//! What keeps sequence numbers and pooled vectors from coming twice after the database was put back to an older state: the
//! floor by time, and the high-water mark outside of the database. The rules are in [`crate::auc::clock`].

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use schemas::identity::Imsi;
use sqlx::{Row, SqliteConnection};
use tokio::sync::Mutex;

use super::{
    SqliteStore,
    error::json,
    mark::{Mark, MarkFile},
    offsets::OffsetsFile,
    rows,
};
use crate::{
    auc::clock::{self, ClockAhead, Headroom, MAX_AHEAD, Start},
    model::Timestamp,
    store::StoreError,
};

/// A mark that was written so short a time ago is written further ahead the next time.
const BUSY: Duration = Duration::from_secs(60);

/// What ticks are counted by.
#[derive(Debug, Clone, Default)]
pub enum SequenceClock {
    /// The system's clock at the start, and what has passed since.
    #[default]
    System,
    /// A tick that is set by hand, for tests.
    Manual(Arc<AtomicU64>),
}

impl SequenceClock {
    /// A clock that stands still.
    #[must_use]
    pub fn fixed(tick: u64) -> Self {
        Self::Manual(Arc::new(AtomicU64::new(tick)))
    }

    pub(super) fn tick(&self) -> u64 {
        match self {
            Self::System => clock::tick_at(Timestamp::now().0),
            Self::Manual(tick) => tick.load(Ordering::Acquire),
        }
    }
}

/// What was handed out in a transaction.
#[derive(Debug, Clone, Default)]
pub(super) struct Used {
    /// The highest tick that a SEQ stands for, 0 without.
    pub high: u64,
    /// Offsets that a resynchronisation has moved.
    pub moved: Vec<(Imsi, i64)>,
    /// Vectors out of pools.
    pub vectors: u64,
}

/// The state of the numbers in this process.
pub(super) struct Numbers {
    clock: SequenceClock,
    file: Option<MarkFile>,
    offsets: Option<OffsetsFile>,
    begun: OnceLock<Begun>,
}

struct Begun {
    base: u64,
    clock: u64,
    at: Instant,
    written: Mutex<Written>,
}

struct Written {
    mark: Mark,
    headroom: Headroom,
    at: Option<Instant>,
}

/// The row `sequence_clock`.
struct Remembered {
    lineage: String,
    high: u64,
    base: u64,
    margin: u64,
    vectors: u64,
}

/// What has become of the numbers at a start, for log and audit; `None` if nothing unusual.
pub(super) type Notice = Option<String>;

impl Numbers {
    pub(super) fn new(clock: SequenceClock, mark: Option<&Path>) -> Self {
        Self {
            clock,
            file: mark.map(MarkFile::new),
            offsets: mark.map(OffsetsFile::of_mark),
            begun: OnceLock::new(),
        }
    }

    /// The tick that floors are counted from. While the process runs its clock is the monotonic one: the system's may be
    /// set meanwhile.
    pub(super) fn base(&self) -> u64 {
        let Some(begun) = self.begun.get() else { return self.clock.tick() };
        let clock = match &self.clock {
            SequenceClock::System => {
                begun.clock + begun.at.elapsed().as_secs() / clock::TICK_SECONDS.cast_unsigned()
            }
            manual @ SequenceClock::Manual(_) => manual.tick(),
        };
        begun.base.max(clock)
    }

    /// Sees where numbers go on, before the first is handed out.
    ///
    /// # Errors
    /// The clock is far ahead, or the mark cannot be read or written.
    pub(super) async fn begin(&self, conn: &mut SqliteConnection) -> Result<Notice, StoreError> {
        let Some(file) = &self.file else { return Ok(None) };
        let remembered = remembered(conn).await?;
        let clock = self.clock.tick();
        let found = file.read()?;
        let own = |mark: &Mark| remembered.as_ref().is_none_or(|known| known.lineage == mark.lineage);
        let (mark, other) = match found {
            Some(mark) if own(&mark) => (Some(mark), None),
            other => (None, other),
        };
        let start = Start {
            clock,
            mark: mark.as_ref().map(|mark| mark.ticks),
            remembered: remembered.as_ref().map(|known| known.high),
            base: remembered.as_ref().map_or(0, |known| known.base),
            margin: remembered.as_ref().map_or(0, |known| known.margin),
        };
        let started = start.begin().map_err(|ahead| clock_ahead(clock, ahead))?;
        let base = started.base.max(other.as_ref().map_or(0, |mark| mark.ticks));
        let lineage =
            [remembered.as_ref().map(|known| &known.lineage), mark.as_ref().map(|mark| &mark.lineage)];
        let lineage = lineage.into_iter().flatten().next().cloned();
        let taken = remembered.as_ref().map_or(0, |known| known.vectors);
        let vectors = taken.max(mark.as_ref().map_or(0, |mark| mark.vectors));
        let notice = notice(file, &start, mark.as_ref(), started.without_mark, vectors - taken);
        let new = Mark {
            lineage: lineage.unwrap_or_else(|| uuid::Uuid::new_v4().simple().to_string()),
            // What runs ahead of the clock begins at the base.
            ticks: base.max(start.mark.unwrap_or(0)).max(start.remembered.unwrap_or(0)),
            vectors,
        };
        // Before the row: should that not come to be, the next start finds the mark.
        write(file, &new).await?;
        if started.without_mark {
            hold_vectors(conn).await?;
        } else if vectors > taken {
            drop_vectors(conn, vectors - taken).await?;
        }
        remember(conn, &new, base, started.margin).await?;
        if let Some(offsets) = self.offsets.clone() {
            raise_offsets(conn, &blocking(move || offsets.read()).await?).await?;
        }
        let headroom = Headroom::new(new.ticks);
        let written = Mutex::new(Written { mark: new, headroom, at: None });
        // A second start of one store keeps what the first has found.
        let _ = self.begun.set(Begun { base, clock, at: Instant::now(), written });
        Ok(notice)
    }

    /// Writes mark and offsets down where what was used needs it, before the transaction is committed.
    ///
    /// # Errors
    /// It cannot be written: then the transaction must not be committed.
    pub(super) async fn secure(&self, conn: &mut SqliteConnection, used: Used) -> Result<(), StoreError> {
        let (Some(file), Some(begun)) = (&self.file, self.begun.get()) else { return Ok(()) };
        if let (Some(offsets), false) = (self.offsets.clone(), used.moved.is_empty()) {
            blocking(move || offsets.add(&used.moved)).await?;
        }
        let mut written = begun.written.lock().await;
        let needed = written.headroom.needed(used.high);
        if needed.is_none() && used.vectors == 0 {
            return Ok(());
        }
        // Other instances write the same mark; the database's write lock, which we have, keeps them out meanwhile.
        let found = file.read()?.unwrap_or_else(|| written.mark.clone());
        let taken = remembered(conn).await?.map_or(0, |known| known.vectors);
        let mark = Mark {
            lineage: written.mark.lineage.clone(),
            ticks: found.ticks.max(written.mark.ticks).max(needed.unwrap_or(0)),
            vectors: found.vectors.max(taken + used.vectors),
        };
        write(file, &mark).await?;
        sqlx::query(
            "UPDATE sequence_clock SET high = max(high, ?1), base = max(base, ?2), vectors_taken = vectors_taken + ?3",
        )
        .bind(mark.ticks.cast_signed())
        .bind(self.base().cast_signed())
        .bind(used.vectors.cast_signed())
        .execute(conn)
        .await?;
        if needed.is_some() {
            let busy = written.at.is_some_and(|at| at.elapsed() < BUSY);
            written.headroom.written(mark.ticks, busy);
            written.at = Some(Instant::now());
        }
        written.mark = mark;
        Ok(())
    }

    /// Raises all sequence numbers as after a restore without a mark; with `clock_is_right` only to the clock, however
    /// far ahead that is. Gives the tick that they go on from.
    ///
    /// # Errors
    /// The mark cannot be read or written.
    pub(super) async fn raise(
        &self,
        conn: &mut SqliteConnection,
        clock_is_right: bool,
    ) -> Result<u64, StoreError> {
        let known = remembered(conn).await?;
        let found = self.file.as_ref().map(MarkFile::read).transpose()?.flatten();
        let clock = self.clock.tick();
        let high = known.as_ref().map_or(0, |known| known.high.max(known.base));
        let high = high.max(found.as_ref().map_or(0, |mark| mark.ticks));
        let base = if clock_is_right { clock.max(high) } else { clock.max(high) + MAX_AHEAD };
        let lineage = known.as_ref().map(|known| known.lineage.clone());
        let lineage = lineage.or_else(|| found.as_ref().map(|mark| mark.lineage.clone()));
        let mark = Mark {
            lineage: lineage.unwrap_or_else(|| uuid::Uuid::new_v4().simple().to_string()),
            ticks: base,
            vectors: known
                .as_ref()
                .map_or(0, |known| known.vectors)
                .max(found.map_or(0, |mark| mark.vectors)),
        };
        if let Some(file) = &self.file {
            write(file, &mark).await?;
        }
        let margin = known.as_ref().map_or(0, |known| known.margin + (base - known.base));
        remember(conn, &mark, base, margin).await?;
        Ok(base)
    }
}

async fn write(file: &MarkFile, mark: &Mark) -> Result<(), StoreError> {
    let (file, mark) = (file.clone(), mark.clone());
    blocking(move || file.write(&mark)).await
}

/// Reads or writes a file outside of the threads that serve requests.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        StoreError::Database(format!("high-water mark or sequence offsets: cut short: {error}"))
    })?
}

/// Lets the database know of offsets that it may have forgotten, also of IMSIs that it does not have any more: they may
/// be imported once more.
async fn raise_offsets(conn: &mut SqliteConnection, offsets: &HashMap<Imsi, i64>) -> Result<(), StoreError> {
    let offsets: Vec<(i64, i64)> =
        offsets.iter().map(|(imsi, offset)| (rows::code(*imsi), *offset)).collect();
    for some in offsets.chunks(10_000) {
        sqlx::query(
            "INSERT INTO sequence (imsi, seq_reserved, seq_offset) SELECT value->>0, 0, value->>1 FROM json_each(?1) \
             WHERE true ON CONFLICT (imsi) DO UPDATE SET seq_offset = excluded.seq_offset \
             WHERE seq_offset < excluded.seq_offset",
        )
        .bind(json(&some)?)
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

async fn remembered(conn: &mut SqliteConnection) -> Result<Option<Remembered>, StoreError> {
    let row = sqlx::query("SELECT lineage, high, base, margin, vectors_taken FROM sequence_clock")
        .fetch_optional(conn)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let number = |at: usize| row.try_get::<i64, _>(at).map(i64::cast_unsigned);
    Ok(Some(Remembered {
        lineage: row.try_get(0)?,
        high: number(1)?,
        base: number(2)?,
        margin: number(3)?,
        vectors: number(4)?,
    }))
}

async fn remember(
    conn: &mut SqliteConnection,
    mark: &Mark,
    base: u64,
    margin: u64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO sequence_clock (only, lineage, high, base, margin, vectors_taken, vectors_held) \
         VALUES (1, ?1, ?2, ?3, ?4, ?5, 0) ON CONFLICT (only) DO UPDATE SET \
         lineage = ?1, high = ?2, base = ?3, margin = ?4, vectors_taken = ?5",
    )
    .bind(&mark.lineage)
    .bind(mark.ticks.cast_signed())
    .bind(base.cast_signed())
    .bind(margin.cast_signed())
    .bind(mark.vectors.cast_signed())
    .execute(conn)
    .await?;
    Ok(())
}

/// Nobody knows which vectors were handed out since: all those here wait until a person knows.
async fn hold_vectors(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE sequence_clock SET vectors_held = coalesce((SELECT max(id) FROM vector WHERE sealed IS NOT NULL), 0)",
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// `count` vectors were handed out since, the oldest of some pools: of each, as many are given up.
async fn drop_vectors(conn: &mut SqliteConnection, count: u64) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE vector SET sealed = NULL WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY imsi \
         ORDER BY id) AS place FROM vector WHERE sealed IS NOT NULL) WHERE place <= ?1)",
    )
    .bind(count.cast_signed())
    .execute(conn)
    .await?;
    Ok(())
}

fn notice(file: &MarkFile, start: &Start, mark: Option<&Mark>, without_mark: bool, vectors: u64) -> Notice {
    let file = file.path().display();
    if without_mark {
        return Some(format!(
            "the high-water mark {file} of this database is not there: as if it was restored from a backup, all sequence \
             numbers are raised by 2^24, and vectors in pools are held back. Where the database was moved, move the mark \
             and {file}.offsets along; `callhome credentials raise-sqn --release-vectors` lets vectors out"
        ));
    }
    let mark = mark?;
    let remembered = start.remembered.unwrap_or(0);
    if mark.ticks <= remembered && vectors == 0 {
        return None;
    }
    let dropped = match vectors {
        0 => String::new(),
        n => format!("; up to {n} vectors of each pool are given up, since they may have been handed out"),
    };
    Some(format!(
        "the database is older than its high-water mark {file}: it was restored from a backup, or the last process was \
         killed while it wrote. Sequence numbers go on above the mark{dropped}"
    ))
}

fn clock_ahead(clock: u64, ahead: ClockAhead) -> StoreError {
    let shown = |tick| Timestamp(clock::seconds_of(tick));
    StoreError::Database(format!(
        "the clock says {}, and the last sequence numbers are of {}, more than a year before: to follow a wrong clock would \
         move all USIMs for good. Set the clock; if it is right, run `callhome credentials raise-sqn --clock-is-right \
         --config …` once",
        shown(clock),
        shown(ahead.known)
    ))
}

impl SqliteStore {
    /// Sees where sequence numbers go on, as a start does before it hands out the first; in words, where the database
    /// turns out to be older than its high-water mark or to have lost it.
    ///
    /// # Errors
    /// The clock is far ahead, or database or mark cannot be read or written.
    pub async fn settle_numbers(&self) -> Result<Option<String>, StoreError> {
        let mut tx = self.write().await?;
        let notice = self.numbers.begin(&mut tx).await?;
        tx.commit().await?;
        Ok(notice)
    }

    /// Raises all sequence numbers as after a restore, and says what they are raised above, as a time; with
    /// `clock_is_right`, to the clock only, however far ahead that is. With `release_vectors`, vectors in pools that were
    /// held back are given out again.
    ///
    /// # Errors
    /// The database or the high-water mark cannot be written.
    pub async fn raise_numbers(
        &self,
        clock_is_right: bool,
        release_vectors: bool,
    ) -> Result<Timestamp, StoreError> {
        let mut tx = self.write().await?;
        let base = self.numbers.raise(&mut tx, clock_is_right).await?;
        if release_vectors {
            sqlx::query("UPDATE sequence_clock SET vectors_held = 0").execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(Timestamp(clock::seconds_of(base)))
    }
}
