//! The live line.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What the connections tell while they run.
#[derive(Debug, Default)]
pub(super) struct Live {
    pub(super) answers: AtomicU64,
    pub(super) wrong: AtomicU64,
}

impl Live {
    pub(super) fn add(&self, answers: u64, wrong: u64) {
        self.answers.fetch_add(answers, Ordering::Relaxed);
        if wrong > 0 {
            self.wrong.fetch_add(wrong, Ordering::Relaxed);
        }
    }
}

/// Shows a line until dropped, where standard error is a terminal.
pub(super) struct Line(Option<(ProgressBar, tokio::task::JoinHandle<()>)>);

impl Line {
    pub(super) fn start(wanted: bool, live: &Arc<Live>) -> Self {
        if !wanted || !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise}  {msg}") {
            bar.set_style(style);
        }
        let (shown, live) = (bar.clone(), Arc::clone(live));
        let task = tokio::spawn(async move {
            const EVERY: Duration = Duration::from_millis(250);
            let mut before = 0;
            let mut ticks = tokio::time::interval(EVERY);
            loop {
                ticks.tick().await;
                let answers = live.answers.load(Ordering::Relaxed);
                let rate = (answers - before) as f64 / EVERY.as_secs_f64();
                let wrong = live.wrong.load(Ordering::Relaxed);
                shown.set_message(format!("{answers} answers, {rate:.0} a second, {wrong} wrong"));
                shown.tick();
                before = answers;
            }
        });
        Self(Some((bar, task)))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some((bar, task)) = self.0.take() {
            task.abort();
            bar.finish_and_clear();
        }
    }
}
