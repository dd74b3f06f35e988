//! What other tasks hand to a connection's task.
//!
//! Answers and requests are appended, already encoded, to one buffer that the task takes whole: no allocation
//! per message, one wake-up for many. Its size is bounded by those who fill it: answers by
//! [`Limits::requests_in_flight`](super::Limits), own requests by [`Limits::write_buffer`](super::Limits).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use super::PeerInfo;
use super::down::Down;
use crate::base::DisconnectCause;
use crate::peer::WatchdogState;

/// What the peer's slot decides for a connection.
#[derive(Debug)]
pub(super) enum Command {
    /// Send the CER.
    SendCer,
    /// The connection is open: send the CEA, if it is the responder, and begin.
    Open { cea: Option<Vec<u8>>, info: Arc<PeerInfo>, watchdog: WatchdogState },
    /// Send this message and close.
    Reject { message: Vec<u8>, why: Down },
    /// Send a DPR.
    SendDpr(DisconnectCause),
    /// Send the DPA to the DPR that was received.
    SendDpa,
    /// Ask for a sign of life.
    Probe,
    /// Close when all is written.
    Close(Down),
}

#[derive(Debug, Default)]
pub(super) struct Mail {
    /// Encoded messages, one after the other.
    pub(super) octets: Vec<u8>,
    /// How many of them are answers that were promised as a `Later`.
    pub(super) answers: usize,
    /// How many are requests of our own.
    pub(super) requests: usize,
    /// In order.
    pub(super) commands: Vec<Command>,
}

impl Mail {
    pub(super) fn is_empty(&self) -> bool {
        self.octets.is_empty() && self.answers == 0 && self.commands.is_empty()
    }
}

#[derive(Debug, Default)]
struct Inner {
    mail: Mail,
    waker: Option<Waker>,
    closed: bool,
}

#[derive(Debug, Default)]
pub(super) struct Mailbox {
    inner: Mutex<Inner>,
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing that runs under the lock leaves the mail half-changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put<T>(&self, put: impl FnOnce(&mut Mail) -> T) -> Option<T> {
        let mut inner = self.lock();
        if inner.closed {
            return None;
        }
        let put = put(&mut inner.mail);
        let waker = inner.waker.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
        Some(put)
    }

    /// An answer that was promised; lost if the connection is gone.
    pub(super) fn answer(&self, octets: &[u8]) {
        self.put(|mail| {
            mail.octets.extend_from_slice(octets);
            mail.answers += 1;
        });
    }

    /// A request of our own.
    ///
    /// # Errors
    /// `Full` when more than `limit` octets wait already, `Gone` when the connection is.
    pub(super) fn request(&self, octets: &[u8], limit: usize) -> Result<(), NotPut> {
        self.put(|mail| {
            if mail.octets.len() > limit {
                return Err(NotPut::Full);
            }
            mail.octets.extend_from_slice(octets);
            mail.requests += 1;
            Ok(())
        })
        .unwrap_or(Err(NotPut::Gone))
    }

    pub(super) fn command(&self, command: Command) {
        self.put(|mail| mail.commands.push(command));
    }

    /// Takes what there is by swapping with the empty `into`, whose buffers are reused; without mail, `cx` is
    /// woken when some comes.
    pub(super) fn take(&self, into: &mut Mail, cx: &Context<'_>) -> bool {
        let mut inner = self.lock();
        if inner.mail.is_empty() {
            if !inner.waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
                inner.waker = Some(cx.waker().clone());
            }
            return false;
        }
        std::mem::swap(&mut inner.mail, into);
        true
    }

    /// Nothing more is accepted.
    pub(super) fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        inner.mail = Mail::default();
        inner.waker = None;
    }
}

/// Why a request was not put into the mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotPut {
    Full,
    Gone,
}
