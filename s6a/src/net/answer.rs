//! Answering one request.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::duplicates::{Duplicates, Ticket};
use super::link::Link;
use crate::base::{Refusal, error_answer};
use crate::codec::{HEADER_LEN, Header, Message, ResultCode};

/// The place for the answer to one request. Dropped without an answer, 5012 is sent: a request that is never
/// answered costs its sender more than any error.
pub struct Answer<'a> {
    pub(super) request: Message<'a>,
    pub(super) out: &'a mut Vec<u8>,
    pub(super) in_flight: &'a mut usize,
    pub(super) answered: &'a mut u64,
    pub(super) link: &'a Arc<Link>,
    pub(super) answering: &'a Arc<Answering>,
    pub(super) ticket: Option<Ticket>,
    pub(super) now: Instant,
}

impl fmt::Debug for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("request", &self.request.header).finish_non_exhaustive()
    }
}

impl Answer<'_> {
    /// Answers at once: `write` appends exactly one encoded answer to the connection's write buffer.
    /// Should it append anything else, the peer gets 5012.
    pub fn now(mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.write(write);
    }

    /// Refuses at once, as [`error_answer()`] does.
    pub fn refuse<'r>(mut self, refusal: impl Into<Refusal<'r>>) {
        let (answering, request) = (self.answering, self.request);
        self.write(|out| answering.refuse(&request, refusal, out));
    }

    /// Answers later, from any task.
    #[must_use = "a dropped Later answers 5012"]
    pub fn later(mut self) -> Later {
        *self.in_flight += 1;
        Later {
            request: self.request.octets().into(),
            link: Arc::clone(self.link),
            answering: Arc::clone(self.answering),
            ticket: self.ticket.take(),
        }
    }

    fn write(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let Some(ticket) = self.ticket.take() else { return };
        let start = self.out.len();
        write(self.out);
        // `write` could have taken from the buffer instead of appending.
        self.out.resize(self.out.len().max(start), 0);
        if !answers(&self.request.header, &self.out[start..]) {
            tracing::error!(command = self.request.header.command, "the application wrote no whole answer");
            self.out.truncate(start);
            self.answering.refuse(&self.request, ResultCode::UNABLE_TO_COMPLY, self.out);
        }
        *self.answered += 1;
        self.answering.duplicates.finish(&ticket, &self.out[start..], self.now);
    }
}

impl Drop for Answer<'_> {
    fn drop(&mut self) {
        if self.ticket.is_some() {
            let (answering, request) = (self.answering, self.request);
            self.write(|out| answering.refuse(&request, ResultCode::UNABLE_TO_COMPLY, out));
        }
    }
}

/// An answer that was promised. Dropped unsent, 5012 is sent.
pub struct Later {
    request: Box<[u8]>,
    link: Arc<Link>,
    answering: Arc<Answering>,
    ticket: Option<Ticket>,
}

impl fmt::Debug for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Later").field("request", &self.header()).finish_non_exhaustive()
    }
}

impl Later {
    /// The request, whole.
    #[must_use]
    pub fn request(&self) -> Message<'_> {
        #[allow(clippy::expect_used, reason = "it was a message when it was copied")]
        Message::parse(&self.request).expect("a message")
    }

    fn header(&self) -> Header {
        self.request().header
    }

    /// Sends the answer, exactly one encoded message; anything else becomes 5012.
    pub fn send(mut self, answer: Vec<u8>) {
        self.finish(&answer);
    }

    /// As [`Self::send`], from a buffer that the caller goes on using.
    pub fn send_slice(mut self, answer: &[u8]) {
        self.finish(answer);
    }

    /// Refuses, as [`error_answer()`] does.
    pub fn refuse<'r>(mut self, refusal: impl Into<Refusal<'r>>) {
        let mut out = Vec::with_capacity(256);
        self.answering.refuse(&self.request(), refusal, &mut out);
        self.finish(&out);
    }

    fn finish(&mut self, answer: &[u8]) {
        let Some(ticket) = self.ticket.take() else { return };
        let mut refusal = Vec::new();
        let answer = if answers(&self.header(), answer) {
            answer
        } else {
            self.answering.refuse(&self.request(), ResultCode::UNABLE_TO_COMPLY, &mut refusal);
            &refusal
        };
        // Kept first: should the connection be gone, the peer asks again over another.
        self.answering.duplicates.finish(&ticket, answer, Instant::now());
        self.link.mailbox.answer(answer);
    }
}

impl Drop for Later {
    fn drop(&mut self) {
        // An answer that cannot be a message leads to 5012.
        self.finish(&[]);
    }
}

/// Whether `octets` are one message that answers the request with this header (RFC 6733 §6.2).
fn answers(request: &Header, octets: &[u8]) -> bool {
    octets.len() >= HEADER_LEN
        && Header::decode(octets).is_ok_and(|answer| {
            answer.length as usize == octets.len()
                && !answer.is_request()
                && answer.command == request.command
                && answer.hop_by_hop == request.hop_by_hop
                && answer.end_to_end == request.end_to_end
        })
}

/// What answers are made with: the names of the node, and the answers that it has given.
pub(super) struct Answering {
    pub(super) origin_host: String,
    pub(super) origin_realm: String,
    pub(super) duplicates: Duplicates,
}

impl Answering {
    /// Appends the answer that refuses `request`.
    pub(super) fn refuse<'r>(
        &self,
        request: &Message<'_>,
        refusal: impl Into<Refusal<'r>>,
        out: &mut Vec<u8>,
    ) {
        error_answer(request, &self.origin_host, &self.origin_realm, refusal, out);
    }
}
