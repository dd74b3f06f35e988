//! The process's metrics, in the one registry that all parts add theirs to.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::core::Collector;
use prometheus::{Encoder, Gauge, Opts, Registry, TextEncoder};

/// A Prometheus registry and its text form. Clones share it.
#[derive(Debug, Clone)]
pub struct Metrics(Registry);

impl Metrics {
    /// A registry with `callhome_build_info{version, role}` and `callhome_start_time_seconds`.
    ///
    /// # Errors
    /// Not in practice: the two are valid, and the registry is new.
    pub fn new(version: &str, role: &str) -> prometheus::Result<Self> {
        let metrics = Self(Registry::new());
        let opts = Opts::new("callhome_build_info", "Always 1; its labels tell the version and the role.")
            .const_label("version", version)
            .const_label("role", role);
        metrics.register(Gauge::with_opts(opts)?)?.set(1.0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        let start =
            Gauge::new("callhome_start_time_seconds", "When the process started, in seconds since 1970.")?;
        metrics.register(start)?.set(now);
        Ok(metrics)
    }

    /// Adds a metric, and hands it back to be counted with.
    ///
    /// # Errors
    /// If another of its name is registered.
    pub fn register<C: Collector + Clone + 'static>(&self, collector: C) -> prometheus::Result<C> {
        self.0.register(Box::new(collector.clone()))?;
        Ok(collector)
    }

    /// The registry itself.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.0
    }

    /// All metrics in Prometheus's text exposition format 0.0.4.
    ///
    /// # Errors
    /// If a metric cannot be written down, such as one whose labels are not consistent.
    pub fn text(&self) -> prometheus::Result<String> {
        TextEncoder::new().encode_to_string(&self.0.gather())
    }

    /// The media type of [`text`](Self::text).
    #[must_use]
    pub fn media_type(&self) -> String {
        TextEncoder::new().format_type().to_owned()
    }
}
