//! Ends a service in good order: the first SIGTERM or SIGINT asks, the second insists.

use std::future::Future;
use std::io;
use std::process;
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use tokio_util::sync::CancellationToken;

use crate::config::Span;

/// Waits for signals from now on. The token is cancelled by the first SIGTERM or SIGINT; the second ends the
/// process at once, with the exit code that shells give a process killed by it (143 or 130).
///
/// # Errors
/// If the operating system lets no handler be set. Has to be called within a tokio runtime.
pub fn on_signal() -> io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let signals = signals()?;
    tokio::spawn(watch(signals, token.clone(), |code| process::exit(code)));
    Ok(token)
}

#[cfg(unix)]
fn signals() -> io::Result<impl Stream<Item = Signal> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};
    let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(stream::unfold((terminate, interrupt), |(mut terminate, mut interrupt)| async move {
        let signal = tokio::select! {
            received = terminate.recv() => received.map(|()| Signal::Terminate),
            received = interrupt.recv() => received.map(|()| Signal::Interrupt),
        };
        signal.map(|signal| (signal, (terminate, interrupt)))
    }))
}

#[cfg(not(unix))]
fn signals() -> io::Result<impl Stream<Item = Signal> + Send + 'static> {
    Ok(stream::unfold((), |()| async {
        tokio::signal::ctrl_c().await.ok().map(|()| (Signal::Interrupt, ()))
    }))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signal {
    #[cfg_attr(not(unix), allow(dead_code, reason = "only unix has SIGTERM"))]
    Terminate,
    Interrupt,
}

impl Signal {
    /// 128 and the signal's number.
    fn exit_code(self) -> i32 {
        match self {
            Self::Terminate => 143,
            Self::Interrupt => 130,
        }
    }
}

async fn watch(signals: impl Stream<Item = Signal>, token: CancellationToken, end: impl FnOnce(i32)) {
    let mut signals = std::pin::pin!(signals);
    if let Some(signal) = signals.next().await {
        tracing::info!(?signal, "stopping; a second signal ends at once");
        token.cancel();
    }
    if let Some(signal) = signals.next().await {
        tracing::warn!(?signal, "second signal: ending at once");
        end(signal.exit_code());
    }
}

/// Work had not ended when the grace was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not all work had ended {} after the signal to stop; what was left is cut", Span(*.0))]
pub struct GraceOver(pub Duration);

/// Runs `work` without limit until `stop`, then for `grace` at most.
///
/// # Errors
/// If the work has not ended by then; it is dropped.
pub async fn within_grace<T>(
    stop: &CancellationToken,
    grace: Duration,
    work: impl Future<Output = T>,
) -> Result<T, GraceOver> {
    let over = async {
        stop.cancelled().await;
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        biased;
        done = work => Ok(done),
        () = over => Err(GraceOver(grace)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI32, Ordering};

    use super::*;

    #[tokio::test]
    async fn the_first_signal_asks_and_the_second_insists() {
        let (token, code) = (CancellationToken::new(), AtomicI32::new(0));
        watch(stream::iter([Signal::Terminate]), token.clone(), |ended| code.store(ended, Ordering::SeqCst))
            .await;
        assert!(token.is_cancelled());
        assert_eq!(code.load(Ordering::SeqCst), 0);

        let signals = stream::iter([Signal::Terminate, Signal::Interrupt]);
        watch(signals, CancellationToken::new(), |ended| code.store(ended, Ordering::SeqCst)).await;
        assert_eq!(code.load(Ordering::SeqCst), 130);
    }

    #[tokio::test]
    async fn grace_is_bounded_and_begins_with_the_stop() {
        let stop = CancellationToken::new();
        let grace = Duration::from_millis(50);
        let unhurried = tokio::time::sleep(Duration::from_millis(150));
        assert!(within_grace(&stop, grace, unhurried).await.is_ok());
        stop.cancel();
        let over = within_grace(&stop, grace, std::future::pending::<()>()).await;
        assert_eq!(over, Err(GraceOver(grace)));
        assert_eq!(within_grace(&stop, grace, async { 7 }).await, Ok(7));
    }
}
