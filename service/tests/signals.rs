//! Real signals to a real process.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may end on the first surprise")]

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

const CHILD: &str = "SIGNAL_TEST_CHILD";

/// A service that would like to go on for a long time after it was asked to stop.
fn serve() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stop = service::shutdown::on_signal().unwrap();
        println!("\nserving");
        stop.cancelled().await;
        println!("\nstopping");
        tokio::time::sleep(Duration::from_secs(60)).await;
    });
}

fn wait_for(lines: &mut Lines<BufReader<ChildStdout>>, word: &str) {
    assert!(lines.any(|line| line.unwrap() == word), "the service never said {word}");
}

fn kill(child: &Child, signal: &str) {
    let killed = Command::new("sh").args(["-c", &format!("kill -{signal} {}", child.id())]).status().unwrap();
    assert!(killed.success());
}

#[test]
fn the_first_signal_asks_and_the_second_ends_at_once() {
    if std::env::var_os(CHILD).is_some() {
        return serve();
    }
    for (first, second, code) in [("TERM", "INT", 130), ("INT", "TERM", 143)] {
        // This very test, as the service.
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_first_signal_asks_and_the_second_ends_at_once", "--nocapture"])
            .env(CHILD, "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        wait_for(&mut lines, "serving");
        kill(&child, first);
        wait_for(&mut lines, "stopping");
        assert!(child.try_wait().unwrap().is_none(), "one signal only asks");
        kill(&child, second);
        assert_eq!(child.wait().unwrap().code(), Some(code));
    }
}
