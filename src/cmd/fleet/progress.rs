//! The live line, on standard error where that is a terminal.

use std::{
    io::IsTerminal,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shown until dropped.
#[derive(Debug)]
pub struct Line {
    bar: Option<ProgressBar>,
    devices: u64,
    installed: AtomicU64,
    lost: AtomicU64,
    begun: std::sync::OnceLock<Instant>,
}

impl Line {
    /// For so many devices.
    pub fn start(wanted: bool, devices: u64) -> Self {
        let bar = (wanted && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise}  {msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(250));
            bar
        });
        let (installed, lost) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { bar, devices, installed, lost, begun: std::sync::OnceLock::new() }
    }

    /// What goes on now.
    pub fn says(&self, what: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(what.to_owned());
        }
    }

    /// So many of the devices have come through a step of the preparation.
    pub fn reached(&self, what: &str, count: u64) {
        self.says(&format!("{what}: {count} of {}", self.devices));
    }

    /// So many devices are made.
    pub fn made(&self, count: u64) {
        self.reached("making devices", count);
    }

    /// A device has come to its end.
    pub fn ended(&self, installed: bool) {
        let begun = self.begun.get_or_init(Instant::now);
        let counter = if installed { &self.installed } else { &self.lost };
        counter.fetch_add(1, Ordering::Relaxed);
        let (installed, lost) = (self.installed.load(Ordering::Relaxed), self.lost.load(Ordering::Relaxed));
        let seconds = begun.elapsed().as_secs_f64();
        let rate = if seconds > 0.0 { installed as f64 / seconds } else { 0.0 };
        let devices = self.devices;
        self.says(&format!("{installed} of {devices} installed, {rate:.0} a second, {lost} lost"));
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
