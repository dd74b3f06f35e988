//! From octets to messages, and from messages to those who handle them.

use tokio::time::Instant;

use super::{Connection, Down, Phase};
use crate::base::{BASE, CapabilitiesExchangeRequest, DeviceWatchdogRequest, DisconnectPeerRequest};
use crate::codec::frame::{self, Frame};
use crate::codec::header::VERSION;
use crate::codec::{CommandFlags, DecodeError, HEADER_LEN, Message};
use crate::net::answer::Answer;
use crate::net::duplicates::{Begun, Retransmission, Ticket, Waiter};
use crate::net::shown::{Shown, shortened};
use crate::net::{OwnedMessage, checks};

impl Connection {
    /// Handles every whole message that was read, as long as there is room for answers.
    pub(super) fn handle_messages(&mut self, now: Instant) {
        let max_message = self.shared.config.limits.max_message;
        let mut read = std::mem::take(&mut self.read);
        let mut heard = false;
        self.read_is_waiting = false;
        while !self.phase.is_ending() && self.phase != Phase::AwaitDecision {
            if !self.has_room() {
                self.read_is_waiting = !read.unread().is_empty();
                break;
            }
            let unread = read.unread();
            let message = match frame::next(unread, max_message) {
                Ok(Frame::Whole(length)) => Message::parse(&unread[..length]),
                Ok(Frame::Partial(_)) => {
                    if unread.is_empty() {
                        self.begun = None;
                    } else {
                        self.begun.get_or_insert(now);
                    }
                    break;
                }
                Err(error) => Err(error),
            };
            match message {
                Ok(message) => {
                    self.begun = None;
                    heard |= self.message(&message, now);
                    read.consume(message.octets().len());
                }
                Err(error) => {
                    self.lost_boundaries(unread, &error, now);
                    break;
                }
            }
        }
        self.read = read;
        if heard {
            let action = self.watchdog.as_mut().and_then(|w| w.heard(now.into_std()));
            self.watchdog_action(action, now);
        }
    }

    /// One message; whether it is anything but a DWA (RFC 3539 §3.4.1).
    fn message(&mut self, message: &Message<'_>, now: Instant) -> bool {
        let header = &message.header;
        match self.phase {
            Phase::AwaitCer => self.receive_cer(message, now),
            Phase::AwaitCea => self.receive_cea(message, now),
            Phase::Open | Phase::Closing => match (header.is_request(), header.application, header.command) {
                (true, BASE, DeviceWatchdogRequest::CODE) => self.receive_dwr(message),
                (true, BASE, DisconnectPeerRequest::CODE) => self.receive_dpr(message),
                (true, BASE, CapabilitiesExchangeRequest::CODE) => self.receive_second_cer(message),
                (true, ..) => self.request(message, now),
                (false, BASE, DeviceWatchdogRequest::CODE) => {
                    self.receive_dwa(now);
                    return false;
                }
                (false, BASE, DisconnectPeerRequest::CODE) => self.receive_dpa(),
                (false, ..) => self.answer(message),
            },
            Phase::AwaitDecision | Phase::Flush | Phase::Drain => {}
        }
        true
    }

    /// A request for the application, RFC 6733 §6.1.
    fn request(&mut self, message: &Message<'_>, now: Instant) {
        self.counters.requests_received += 1;
        let Some(info) = &self.info else { return };
        let origin_host = match checks::request(&self.shared.config, message) {
            Ok(origin_host) => origin_host,
            Err(error) => {
                tracing::debug!(peer = info.identity, header = ?message.header, %error, "refused");
                self.shared.answering.refuse(message, &error, &mut self.out.octets);
                self.counters.answers_sent += 1;
                return;
            }
        };
        // Most requests of a connection have one origin.
        if self.last_origin != origin_host.as_bytes() {
            self.last_origin.clear();
            self.last_origin.extend_from_slice(origin_host.as_bytes());
            self.sender.origin = self.shared.answering.duplicates.host(origin_host.as_bytes());
        }
        let header = &message.header;
        let begun = if self.shared.app.keeps_answers_to(header.command) {
            self.shared.answering.duplicates.begin(
                self.sender,
                header,
                message.body(),
                now.into_std(),
                || Waiter { link: self.link.clone(), hop_by_hop: header.hop_by_hop },
                &mut self.out.octets,
            )
        } else {
            let again = header.flags.has(CommandFlags::RETRANSMITTED).then_some(Retransmission::New);
            Begun::Execute(Ticket::NOT_KEPT, again)
        };
        let retransmission = match &begun {
            Begun::Execute(_, retransmission) => *retransmission,
            Begun::Answered | Begun::Waiting => Some(Retransmission::Known),
        };
        if let Some(retransmission) = retransmission {
            self.shared.app.retransmitted(info, header.command, retransmission);
            if matches!(retransmission, Retransmission::Changed | Retransmission::OfAnotherPeer) {
                tracing::warn!(
                    peer = info.identity,
                    origin_host = shortened(origin_host),
                    command = header.command,
                    end_to_end = header.end_to_end,
                    ?retransmission,
                    "a request with the T bit is not what was sent before under its ids; it is executed anew"
                );
            }
        }
        match begun {
            Begun::Execute(ticket, _) => self.shared.app.request(
                info,
                message,
                Answer {
                    request: *message,
                    out: &mut self.out.octets,
                    in_flight: &mut self.in_flight,
                    answered: &mut self.counters.answers_sent,
                    link: &self.link,
                    answering: &self.shared.answering,
                    ticket: Some(ticket),
                    now: now.into_std(),
                },
            ),
            Begun::Answered => {
                self.counters.answers_sent += 1;
                self.counters.duplicates += 1;
            }
            Begun::Waiting => {
                self.in_flight += 1;
                self.counters.duplicates += 1;
            }
        }
    }

    /// An answer to a request of ours, RFC 6733 §6.2.1; without one it is dropped (§3, Hop-by-Hop id).
    fn answer(&mut self, message: &Message<'_>) {
        let waiting = self.link.waiting().remove(&message.header.hop_by_hop);
        match waiting {
            Some(waiting) => {
                self.counters.answers_received += 1;
                // Who asked may have gone meanwhile.
                drop(waiting.send(OwnedMessage::copy(message)));
            }
            None => {
                self.counters.answers_unmatched += 1;
                tracing::debug!(address = %Shown(self.end.remote), header = ?message.header, "an answer nobody waits for");
                if let Some(info) = &self.info {
                    self.shared.app.answer_unmatched(info, message);
                }
            }
        }
    }

    /// The stream has lost its boundaries: a request is told why (5011, 5015; RFC 6733 §7.1.5), and the connection ends.
    fn lost_boundaries(&mut self, unread: &[u8], error: &DecodeError, now: Instant) {
        if let Some(head) = unread.first_chunk::<HEADER_LEN>()
            && CommandFlags(head[4]).has(CommandFlags::REQUEST)
        {
            // Its header alone, made readable, is what can be answered.
            let mut head = *head;
            head[0] = VERSION;
            head[1..4].copy_from_slice(&[0, 0, HEADER_LEN as u8]);
            if let Ok(request) = Message::parse(&head) {
                self.shared.answering.refuse(&request, error, &mut self.out.octets);
                self.counters.answers_sent += 1;
            }
        }
        self.end(Down::Protocol(error.what.to_owned()), now);
    }
}
