//! Bounds what the log takes of one kind of line: what strangers can cause without end must not fill the disk.
//!
//! Each place in the code that logs at INFO or above may write so many lines at once and so many a second after that.
//! What is left out is counted, and the count is logged every [`REPORT_INTERVAL`]. DEBUG and TRACE have no limit: they are
//! off unless somebody asks for them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    callsite::Identifier,
    span::{Attributes, Id, Record},
};
use tracing_subscriber::layer::{Context, Layer};

/// How often the number of lines that were left out is logged.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// Target of the reports; they have no limit themselves.
const REPORT_TARGET: &str = "log";

/// Lines of each place in the code: a bucket of `burst` that gains `per_second`.
#[derive(Debug)]
pub(super) struct LineLimiter {
    burst: u32,
    per_second: u32,
    places: Mutex<HashMap<Identifier, Place>>,
}

/// A place in the code that logs.
#[derive(Debug)]
struct Place {
    metadata: &'static Metadata<'static>,
    /// Thousandths of a line that may still be written.
    credit: u64,
    refilled: Instant,
    left_out: u64,
}

/// So many lines of one place were left out since the last report.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LeftOut {
    pub lines: u64,
    /// `file.rs:123`, or the module where the file is not known.
    pub place: String,
}

impl LineLimiter {
    /// Lets `burst` lines of a place through at once and then `per_second`; 0 as `per_second`: no limit.
    pub(super) fn new(burst: u32, per_second: u32) -> Self {
        Self { burst: burst.max(1), per_second, places: Mutex::default() }
    }

    /// Whether one more line of this place may be written now; if not, it is counted.
    fn allows(&self, metadata: &'static Metadata<'static>, now: Instant) -> bool {
        if self.per_second == 0 || *metadata.level() > Level::INFO || metadata.target() == REPORT_TARGET {
            return true;
        }
        let full = u64::from(self.burst) * 1000;
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let place = places.entry(metadata.callsite()).or_insert(Place {
            metadata,
            credit: full,
            refilled: now,
            left_out: 0,
        });
        let elapsed = now.saturating_duration_since(place.refilled).as_millis();
        let gained = u64::try_from(elapsed).unwrap_or(u64::MAX).saturating_mul(u64::from(self.per_second));
        if gained > 0 {
            place.credit = place.credit.saturating_add(gained).min(full);
            place.refilled = now;
        }
        if place.credit >= 1000 {
            place.credit -= 1000;
            return true;
        }
        place.left_out += 1;
        false
    }

    /// What was left out since this was asked last.
    pub(super) fn take_left_out(&self) -> Vec<LeftOut> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let left_out = places.values_mut().filter(|place| place.left_out > 0).map(|place| {
            let metadata = place.metadata;
            let name = match (metadata.file(), metadata.line()) {
                (Some(file), Some(line)) => format!("{file}:{line}"),
                _ => metadata.target().to_owned(),
            };
            LeftOut { lines: std::mem::take(&mut place.left_out), place: name }
        });
        left_out.collect()
    }

    /// Logs what was left out, again and again, on a thread of its own, while the limiter is in use.
    pub(super) fn report(limiter: &Arc<Self>) {
        let limiter: Weak<Self> = Arc::downgrade(limiter);
        let reporter = std::thread::Builder::new().name("log-report".to_owned());
        let started = reporter.spawn(move || {
            loop {
                std::thread::sleep(REPORT_INTERVAL);
                let Some(limiter) = limiter.upgrade() else { return };
                for LeftOut { lines, place } in limiter.take_left_out() {
                    tracing::warn!(target: REPORT_TARGET, lines, %place, "too many lines of one kind: some were left out");
                }
            }
        });
        if let Err(error) = started {
            tracing::warn!(%error, "log lines that are left out cannot be counted: no thread");
        }
    }
}

/// A layer that writes lines, within the limit. Not a filter: one that decides event by event loses events of other places
/// with the per-layer filters of tracing-subscriber 0.3.
pub(super) struct LimitedLayer<L> {
    pub lines: L,
    pub limiter: Arc<LineLimiter>,
}

impl<S: Subscriber, L: Layer<S>> Layer<S> for LimitedLayer<L> {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if self.limiter.allows(event.metadata(), Instant::now()) {
            self.lines.on_event(event, context);
        }
    }

    fn on_layer(&mut self, subscriber: &mut S) {
        self.lines.on_layer(subscriber);
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        self.lines.on_new_span(attributes, id, context);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        self.lines.on_record(id, values, context);
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, context: Context<'_, S>) {
        self.lines.on_follows_from(id, follows, context);
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        self.lines.on_enter(id, context);
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        self.lines.on_exit(id, context);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        self.lines.on_close(id, context);
    }

    fn on_id_change(&self, old: &Id, new: &Id, context: Context<'_, S>) {
        self.lines.on_id_change(old, new, context);
    }
}
