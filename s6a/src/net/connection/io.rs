//! Reading and writing.

use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::ReadBuf;
use tokio::time::Instant;

use super::{Connection, Down, LINGER, Phase};

impl Connection {
    /// Whether the peer's next requests can be taken.
    pub(super) fn has_room(&self) -> bool {
        let limits = &self.shared.config.limits;
        self.out.len() < limits.write_buffer && self.in_flight < limits.requests_in_flight
    }

    /// Reads once and handles what has come; whether anything has.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        match self.phase {
            Phase::Flush => return false,
            Phase::Drain => return self.poll_drain(cx),
            _ => {}
        }
        let max_message = self.shared.config.limits.max_message;
        // What was left lying when there was no room for answers.
        if self.read_is_waiting && self.has_room() {
            self.handle_messages(now);
            return true;
        }
        if self.read_is_waiting || self.read.is_full(max_message) {
            return false;
        }
        let mut buffer = ReadBuf::new(self.read.room(max_message));
        match Pin::new(&mut *self.stream).poll_read(cx, &mut buffer) {
            Poll::Pending => false,
            Poll::Ready(Ok(())) => {
                let n = buffer.filled().len();
                if n == 0 {
                    self.cut(Down::Closed, now);
                    // A close_notify is answered with ours (RFC 8446 §6.1); what does not go at once is let go.
                    let _ = Pin::new(&mut *self.stream).poll_shutdown(cx);
                } else {
                    self.read.filled(n);
                    self.handle_messages(now);
                }
                true
            }
            Poll::Ready(Err(error)) => {
                self.cut(Down::Transport(error.to_string()), now);
                true
            }
        }
    }

    /// Throws away what the peer still sends.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> bool {
        let mut space = [0; 4096];
        let mut buffer = ReadBuf::new(&mut space);
        match Pin::new(&mut *self.stream).poll_read(cx, &mut buffer) {
            Poll::Pending => false,
            Poll::Ready(Ok(())) if !buffer.filled().is_empty() => true,
            Poll::Ready(_) => {
                self.drained = true;
                false
            }
        }
    }

    /// Writes as much as goes; whether anything went.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut progress = false;
        while !self.out.is_empty() {
            let pending = [IoSlice::new(self.out.pending())];
            match Pin::new(&mut *self.stream).poll_write_vectored(cx, &pending) {
                Poll::Pending => {
                    self.stalled.get_or_insert(now);
                    return progress;
                }
                Poll::Ready(Ok(n)) if n > 0 => {
                    self.out.wrote(n);
                    self.stalled = None;
                    self.unflushed = true;
                    progress = true;
                }
                Poll::Ready(Ok(_)) => {
                    self.cut(Down::Transport("the transport takes nothing more".to_owned()), now);
                    return true;
                }
                Poll::Ready(Err(error)) => {
                    self.cut(Down::Transport(error.to_string()), now);
                    return true;
                }
            }
        }
        if self.unflushed {
            match Pin::new(&mut *self.stream).poll_flush(cx) {
                Poll::Pending => {
                    self.stalled.get_or_insert(now);
                }
                Poll::Ready(Ok(())) => {
                    self.stalled = None;
                    self.unflushed = false;
                }
                Poll::Ready(Err(error)) => self.cut(Down::Transport(error.to_string()), now),
            }
        }
        progress
    }

    /// Goes on with ending: from the last octet written to the end of the stream.
    pub(super) fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        // Answers that were promised before we wanted to leave are waited for.
        let owed = matches!(self.down, Down::Stopped(_)) && self.in_flight > 0;
        if self.phase == Phase::Flush && self.out.is_empty() && !self.unflushed && !owed {
            match Pin::new(&mut *self.stream).poll_shutdown(cx) {
                Poll::Pending => return false,
                Poll::Ready(Ok(())) => {
                    self.phase = Phase::Drain;
                    let linger = Instant::now() + LINGER;
                    self.phase_deadline = Some(self.phase_deadline.map_or(linger, |d| d.min(linger)));
                }
                Poll::Ready(Err(_)) => return true,
            }
            while self.poll_drain(cx) {}
        }
        self.phase == Phase::Drain && self.drained
    }
}
