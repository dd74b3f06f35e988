//! A program of ours or of others that runs while a test goes on. It ends with the test, and nothing else does.

use std::{
    ffi::OsStr,
    fs::File,
    path::{Path, PathBuf},
    process::{Child as Process, ChildStdin, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

/// A running child whose output goes to a file.
#[derive(Debug)]
pub struct Child {
    name: String,
    process: Process,
    log: PathBuf,
}

impl Child {
    /// Starts `command`; standard output and error are appended to `log`.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let output = File::options().create(true).append(true).open(log)?;
        let process = command
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("{name} cannot be started"))?;
        Ok(Self { name: name.to_owned(), process, log: log.to_owned() })
    }

    /// As [`Child::start`], with standard output left to the caller.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start_piped(
        name: &str,
        mut command: Command,
        log: &Path,
    ) -> Result<(Self, std::process::ChildStdout)> {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(log)?)
            .spawn()
            .with_context(|| format!("{name} cannot be started"))?;
        let output = process.stdout.take().context("standard output is not piped")?;
        Ok((Self { name: name.to_owned(), process, log: log.to_owned() }, output))
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Its standard input.
    ///
    /// # Errors
    /// If it is closed.
    pub fn input(&mut self) -> Result<&mut ChildStdin> {
        self.process.stdin.as_mut().with_context(|| format!("standard input of {} is closed", self.name))
    }

    /// What it has said so far.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// If it has ended: with its last words.
    pub fn running(&mut self) -> Result<()> {
        if let Some(status) = self.process.try_wait()? {
            bail!("{} has ended with {status}; its last words:\n{}", self.name, tail(&self.log()));
        }
        Ok(())
    }

    /// Waits until its log satisfies `test`.
    ///
    /// # Errors
    /// If it ends or the time passes before.
    pub fn wait_for(&mut self, what: &str, limit: Duration, test: impl Fn(&str) -> bool) -> Result<String> {
        let until = Instant::now() + limit;
        loop {
            let log = self.log();
            if test(&log) {
                return Ok(log);
            }
            self.running().with_context(|| format!("waiting for {what}"))?;
            ensure!(
                Instant::now() < until,
                "{}: no {what} within {limit:?}; its last words:\n{}",
                self.name,
                tail(&log)
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends it a signal: `TERM`, `INT`, `USR2`, …
    ///
    /// # Errors
    /// If it has ended.
    pub fn signal(&mut self, signal: &str) -> Result<()> {
        self.running()?;
        self.signal_now(signal)
    }

    /// As [`Child::signal`], for those who share it; whether it still runs is not asked.
    ///
    /// # Errors
    /// If `kill` fails.
    pub fn signal_now(&self, signal: &str) -> Result<()> {
        // kill(2) needs `unsafe` or another dependency; the program does as well.
        let status = Command::new(crate::programs::find("kill")?)
            .args([OsStr::new("-s"), OsStr::new(signal), OsStr::new(&self.process.id().to_string())])
            .status()?;
        ensure!(status.success(), "{} cannot be sent {signal}", self.name);
        Ok(())
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// If it still runs after `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        // An end of input is how a filter is told to stop.
        drop(self.process.stdin.take());
        let until = Instant::now() + limit;
        loop {
            if let Some(status) = self.process.try_wait()? {
                return Ok(status);
            }
            ensure!(
                Instant::now() < until,
                "{} still runs after {limit:?}; its last words:\n{}",
                self.name,
                tail(&self.log())
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// SIGKILL: what a crash looks like from outside. Returns when it is gone.
    ///
    /// # Errors
    /// If it had ended already.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Only our own child, and only if it is still there: errors mean that it is not.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The last lines of a log: enough for a failure message.
#[must_use]
pub fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
