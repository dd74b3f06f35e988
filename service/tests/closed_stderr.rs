//! A log that nobody reads any more, in a real process.
#![allow(clippy::unwrap_used, reason = "a test may end on the first surprise")]

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use service::telemetry::{self, LogConfig, LogFormat};

const CHILD: &str = "CLOSED_STDERR_TEST_CHILD";

fn log_when_told(format: LogFormat) {
    telemetry::init(&LogConfig { format, ..LogConfig::default() }).unwrap();
    std::io::stdin().read_exact(&mut [0]).unwrap();
    for _ in 0..100 {
        tracing::error!("nobody hears this");
    }
    println!("\nalive");
}

#[test]
fn logging_to_a_closed_pipe_ends_nothing() {
    match std::env::var(CHILD).as_deref() {
        Ok("json") => return log_when_told(LogFormat::Json),
        Ok(_) => return log_when_told(LogFormat::Text),
        Err(_) => {}
    }
    for format in ["json", "text"] {
        // This very test, as the service.
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "logging_to_a_closed_pipe_ends_nothing", "--nocapture"])
            .env(CHILD, format)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stderr.take());
        child.stdin.take().unwrap().write_all(b"\n").unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        assert!(String::from_utf8_lossy(&output.stdout).contains("alive"));
    }
}
