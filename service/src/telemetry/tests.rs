use std::sync::{Arc, Mutex};

use prometheus::IntCounter;

use super::*;

#[derive(Clone, Default)]
struct Collected(Arc<Mutex<Vec<u8>>>);

impl Write for Collected {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Standard error after the reader of a pipe has gone.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

fn logged(format: LogFormat, terminal: bool) -> String {
    let collected = Collected::default();
    let writer = collected.clone();
    let layer = lines(format, terminal, false, move || writer.clone());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        tracing::info!(session = "a;b;c", "answered");
    });
    let octets = collected.0.lock().unwrap().clone();
    String::from_utf8(octets).unwrap()
}

#[test]
fn machines_get_json_and_terminals_text() {
    for (format, terminal) in [(LogFormat::Json, true), (LogFormat::Auto, false)] {
        let line: serde_json::Value = serde_json::from_str(&logged(format, terminal)).unwrap();
        assert_eq!((&line["message"], &line["session"]), (&"answered".into(), &"a;b;c".into()));
    }
    for (format, terminal) in [(LogFormat::Text, false), (LogFormat::Auto, true)] {
        let line = logged(format, terminal);
        assert!(line.contains("INFO") && line.contains("answered session=\"a;b;c\""), "{line}");
    }
}

#[test]
fn a_closed_standard_error_is_no_panic() {
    for format in [LogFormat::Text, LogFormat::Json] {
        let layer = lines(format, false, false, || LossyWriter(Closed));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::error!("nobody hears this");
        });
    }
    assert_eq!(LossyWriter(Closed).write(b"abc").unwrap(), 3);
}

#[test]
fn a_bad_filter_names_where_it_was_given() {
    let config = LogConfig { filter: "info,s6a=loud".to_owned(), ..LogConfig::default() };
    assert!(filter(&config, None).unwrap_err().to_string().starts_with("log.filter: \"info,s6a=loud\""));
    assert!(filter(&config, Some("info")).is_ok());
    assert!(filter(&config, Some("x=loud")).unwrap_err().to_string().starts_with("CALLHOME_LOG: "));
}

#[test]
fn metrics_are_written_in_prometheus_text() {
    let metrics = Metrics::new("1.2.3", "icf").unwrap();
    let counter = metrics.register(IntCounter::new("callhome_things_total", "Things.").unwrap()).unwrap();
    counter.inc_by(3);
    let text = metrics.text().unwrap();
    assert!(text.contains("callhome_build_info{role=\"icf\",version=\"1.2.3\"} 1\n"), "{text}");
    assert!(text.contains("# TYPE callhome_things_total counter\ncallhome_things_total 3\n"), "{text}");
    assert!(metrics.register(counter).is_err());
}

#[test]
fn lines_of_one_kind_are_bounded_and_counted_and_others_are_not_touched() {
    let collected = Collected::default();
    let writer = collected.clone();
    let limiter = Arc::new(LineLimiter::new(10, 1));
    let lines = lines(LogFormat::Json, false, false, move || writer.clone());
    let layer = LimitedLayer { lines, limiter: Arc::clone(&limiter) }.with_filter(EnvFilter::new("debug"));
    let begin = std::time::Instant::now();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        for _ in 0..10_000 {
            tracing::info!("flooded by a stranger");
            tracing::debug!("asked for");
        }
        tracing::warn!("of another kind");
    });
    let seconds = begin.elapsed().as_secs();
    let text = String::from_utf8(collected.0.lock().unwrap().clone()).unwrap();
    let count = |what: &str| text.lines().filter(|line| line.contains(what)).count() as u64;
    let written = count("flooded by a stranger");
    assert!((10..=11 + seconds).contains(&written), "{written} in {seconds} s");
    assert_eq!((count("of another kind"), count("asked for")), (1, 10_000));
    let left_out = limiter.take_left_out();
    assert_eq!(left_out.iter().map(|of| of.lines).sum::<u64>() + written, 10_000, "{left_out:?}");
    assert!(left_out[0].place.contains("telemetry/tests.rs:"), "{left_out:?}");
    assert_eq!(limiter.take_left_out(), []);
}
