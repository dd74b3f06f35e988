//! What a running service tells: logs on standard error, and metrics for Prometheus.

mod limit;
mod metrics;

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tracing::Subscriber;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use limit::{LimitedLayer, LineLimiter};
pub use metrics::Metrics;

/// The variable that takes precedence over `[log] filter`.
pub const FILTER_VARIABLE: &str = "CALLHOME_LOG";

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// For people.
    Text,
    /// One JSON object a line, for machines.
    Json,
}

/// `[log]` in a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// How lines look.
    pub format: LogFormat,
    /// What is logged: `info`, or by place such as `info,s6a=debug`.
    pub filter: String,
    /// Lines of one kind (one place in the code, INFO and above) that are written at once,
    pub burst: u32,
    /// and how many a second after that; the rest is counted, and the count is logged. 0: no limit.
    pub lines_per_second: u32,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Auto, filter: "info".to_owned(), burst: 100, lines_per_second: 5 }
    }
}

/// Logging cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not one.
    #[error("{place}: \"{filter}\" is no log filter ({reason}); write `info`, or `info,s6a=debug`")]
    Filter {
        /// Key or variable.
        place: &'static str,
        /// What was given.
        filter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A second attempt.
    #[error("logging is set up already")]
    Twice,
}

/// Sends the log to standard error, for the rest of the process's life. A closed standard error is no reason to
/// stop or to panic: the lines are lost.
///
/// # Errors
/// If the filter (from `CALLHOME_LOG`, else from the configuration) is none, or logging is set up already.
pub fn init(config: &LogConfig) -> Result<(), TelemetryError> {
    let variable = std::env::var(FILTER_VARIABLE).ok().filter(|filter| !filter.is_empty());
    let filter = filter(config, variable.as_deref())?;
    let terminal = io::stderr().is_terminal();
    let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lines = lines(config.format, terminal, colours, || LossyWriter(io::stderr()));
    let limiter = Arc::new(LineLimiter::new(config.burst, config.lines_per_second));
    let layer = LimitedLayer { lines, limiter: Arc::clone(&limiter) };
    tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .try_init()
        .map_err(|_| TelemetryError::Twice)?;
    LineLimiter::report(&limiter);
    Ok(())
}

/// Whether [`init`] would take the filter, that of `CALLHOME_LOG` included.
///
/// # Errors
/// As [`init`].
pub fn check(config: &LogConfig) -> Result<(), TelemetryError> {
    let variable = std::env::var(FILTER_VARIABLE).ok().filter(|filter| !filter.is_empty());
    filter(config, variable.as_deref()).map(drop)
}

fn filter(config: &LogConfig, variable: Option<&str>) -> Result<EnvFilter, TelemetryError> {
    let (place, filter) = match variable {
        Some(filter) => (FILTER_VARIABLE, filter),
        None => ("log.filter", config.filter.as_str()),
    };
    EnvFilter::try_new(filter).map_err(|error| TelemetryError::Filter {
        place,
        filter: filter.to_owned(),
        reason: error.to_string(),
    })
}

fn lines<S, W>(format: LogFormat, terminal: bool, colours: bool, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    // Internal errors would go to standard error by eprintln!, which panics if that is closed.
    let layer = fmt::layer().log_internal_errors(false).with_writer(writer);
    let text = match format {
        LogFormat::Auto => terminal,
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    if text {
        layer.with_ansi(colours).boxed()
    } else {
        layer.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed()
    }
}

/// Takes everything, also when nobody reads any more.
struct LossyWriter<W>(W);

impl<W: Write> Write for LossyWriter<W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let _ = self.0.write_all(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = self.0.flush();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
