//! What has come: answers to match, vectors to check, requests of the server.

use std::time::Instant;

use s6a::codec::dictionary::base;
use s6a::codec::frame::{self, Frame};
use s6a::codec::{DecodeError, Message};

use super::{Engine, MAX_MESSAGE, Stage};
use crate::load::tally::record;
use crate::load::verify::Verdict;
use crate::load::wire::{self, command};
use crate::load::{Procedure, Verify};

/// Vectors checked together.
const CHECKED_TOGETHER: usize = 64;

impl Engine {
    /// Takes all whole messages; gives how many octets they are.
    pub(super) fn take(&mut self, input: &[u8]) -> Result<usize, DecodeError> {
        let received = Instant::now();
        let (completed, failed) = (self.tally.completed, self.tally.failed);
        let mut at = 0;
        let mut answers = 0;
        while let Frame::Whole(length) = frame::next(&input[at..], MAX_MESSAGE)? {
            let message = Message::parse(&input[at..at + length])?;
            at += length;
            if message.header.is_request() {
                self.asked(&message);
            } else {
                self.answered(&message, received);
                answers += 1;
            }
        }
        self.check(received);
        if self.tally.completed + self.tally.failed > completed + failed || answers > 0 {
            self.last = received;
        }
        self.plan.live.add(answers, self.tally.failed - failed);
        Ok(at)
    }

    /// A request of the server.
    fn asked(&mut self, message: &Message<'_>) {
        self.tally.server_requests += 1;
        self.wire.answer(&mut self.out, message);
        if message.header.application == 0 && message.header.command == command::DISCONNECT_PEER {
            let cause = message.avps().flatten().find(|avp| avp.is(&base::DISCONNECT_CAUSE));
            // RFC 6733 §5.4.3.
            let cause = match cause.and_then(|avp| avp.u32().ok()) {
                Some(0) => "REBOOTING".into(),
                Some(1) => "BUSY".into(),
                Some(2) => "DO_NOT_WANT_TO_TALK_TO_YOU".into(),
                Some(other) => format!("Disconnect-Cause {other}"),
                None => "without Disconnect-Cause".into(),
            };
            self.dismissed = Some(cause);
        }
    }

    /// An answer.
    fn answered(&mut self, message: &Message<'_>, received: Instant) {
        let number = (message.header.hop_by_hop & 0xffff) as u16;
        let Some(slot) = self.slots.get(usize::from(number)).copied() else {
            self.tally.unmatched += 1;
            return;
        };
        if !slot.busy
            || slot.hop_by_hop != message.header.hop_by_hop
            || slot.end_to_end != message.header.end_to_end
        {
            self.tally.unmatched += 1;
            return;
        }
        // Until its vectors are judged, no second answer to it is taken.
        self.slots[usize::from(number)].hop_by_hop = !slot.hop_by_hop;
        let tally = if slot.stage == Stage::Ulr { &mut self.tally.ulr } else { &mut self.tally.air };
        record(&mut tally.latency, slot.due, received);
        let outcome = match wire::outcome(message) {
            Ok(outcome) => outcome,
            Err(_) => {
                self.tally.unreadable += 1;
                return self.finish(number, false, received);
            }
        };
        tally.answer(outcome);
        if !outcome.is_success() || slot.stage == Stage::Ulr {
            return self.finish(number, outcome.is_success(), received);
        }
        if self.plan.verify == Verify::Off {
            return self.authenticated(number, received);
        }
        let mut vectors = 0usize;
        let read = wire::vectors(message, |vector| {
            self.verifier.add(number, slot.device, &vector);
            vectors += 1;
        });
        match (read, vectors) {
            (Ok(()), 1..) => {
                if self.verifier.waiting() >= CHECKED_TOGETHER {
                    self.check(received);
                }
            }
            (Ok(()), 0) => {
                self.verifier.counts.without_vector += 1;
                self.finish(number, false, received);
            }
            (Err(_), _) => {
                self.tally.unreadable += 1;
                self.verifier.forget(number);
                self.finish(number, false, received);
            }
        }
    }

    /// Has the vectors checked that wait for it.
    fn check(&mut self, received: Instant) {
        if self.verifier.waiting() == 0 {
            return;
        }
        for (slot, verdict) in self.verifier.verdicts(&mut self.fleet) {
            match verdict {
                Verdict::Good => self.authenticated(slot, received),
                Verdict::Resynchronise(info) if self.slots[usize::from(slot)].stage == Stage::Air => {
                    self.send(slot, Stage::Resync, Some(&info), received, received);
                }
                Verdict::Resynchronise(_) | Verdict::Bad => self.finish(slot, false, received),
            }
        }
    }

    /// The device has accepted the network, and the network the device.
    fn authenticated(&mut self, slot: u16, received: Instant) {
        match self.plan.procedure {
            Procedure::Air => self.finish(slot, true, received),
            Procedure::Attach => self.send(slot, Stage::Ulr, None, received, received),
        }
    }

    pub(super) fn finish(&mut self, number: u16, good: bool, at: Instant) {
        let slot = &mut self.slots[usize::from(number)];
        slot.busy = false;
        if good {
            self.tally.completed += 1;
            record(&mut self.tally.procedure, slot.begun, at);
        } else {
            self.tally.failed += 1;
        }
        self.fleet.finished(slot.device);
        // The slot longest free is taken first: a late answer then rarely finds its slot taken again.
        self.free.push_back(number);
    }
}
