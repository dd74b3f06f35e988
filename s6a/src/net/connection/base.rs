//! CER, DWR and DPR with their answers, RFC 6733 §5.3 to §5.5.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::{Connection, Down, Phase};
use crate::base::{
    BASE, CapabilitiesExchangeRequest, DeviceWatchdogAnswer, DeviceWatchdogRequest, DisconnectCause,
    DisconnectPeerAnswer, DisconnectPeerRequest,
};
use crate::codec::dictionary::base::ORIGIN_HOST;
use crate::codec::{Message, ResultCode};
use crate::net::capabilities::{self, Refused};
use crate::net::shown::shortened;
use crate::net::slot::{Candidate, Slot};
use crate::peer::{Event, WatchdogAction, WatchdogState};

impl Connection {
    pub(super) fn send_cer(&mut self) {
        let ids = (self.link.next_hop_by_hop(), self.shared.next_end_to_end());
        let shared = &self.shared;
        capabilities::request(&shared.config, &self.end, shared.origin_state_id, ids, &mut self.out.octets);
        self.counters.requests_sent += 1;
    }

    /// The first message of an accepted connection (RFC 6733 §5.6: R-Conn-CER).
    pub(super) fn receive_cer(&mut self, message: &Message<'_>, now: Instant) {
        let header = &message.header;
        if !header.is_request()
            || (header.application, header.command) != (BASE, CapabilitiesExchangeRequest::CODE)
        {
            self.end(Down::Protocol("the first message is no CER".to_owned()), now);
            return;
        }
        self.counters.requests_received += 1;
        let shared = Arc::clone(&self.shared);
        let named = message.find(&ORIGIN_HOST).and_then(|avp| avp.str().ok());
        self.named = named.map(shortened);
        let slot = named.and_then(|host| shared.registry.get(host));
        let config = slot.as_ref().and_then(|slot| slot.config.as_ref());
        match capabilities::check_request(&shared.config, &self.end, message, config) {
            Err(refused) => {
                let cea = self.cea(message, refused.code, Some(&refused));
                self.out.octets.extend_from_slice(&cea);
                self.counters.answers_sent += 1;
                self.end(Down::Refused { code: refused.code, why: refused.why }, now);
            }
            Ok(info) => {
                let slot = slot.unwrap_or_else(|| {
                    shared.registry.get_or_make(&shared.config.origin_host, &info.identity)
                });
                let lost = Refused::new(
                    ResultCode::ELECTION_LOST,
                    "another connection of this peer is open, or being opened".to_owned(),
                );
                let candidate = Candidate {
                    link: Arc::clone(&self.link),
                    info: Arc::new(info),
                    cea: Some(self.cea(message, ResultCode::SUCCESS, None)),
                    rejection: self.cea(message, lost.code, Some(&lost)),
                };
                // The election may take as long as the other connection's capabilities exchange.
                self.phase = Phase::AwaitDecision;
                self.phase_deadline = Some(now + shared.config.timers.capabilities * 3);
                self.slot = Some(Arc::clone(&slot));
                slot.cer(candidate);
            }
        }
    }

    fn cea(&self, cer: &Message<'_>, code: ResultCode, refused: Option<&Refused>) -> Vec<u8> {
        let shared = &self.shared;
        capabilities::answer(&shared.config, &self.end, shared.origin_state_id, &cer.header, code, refused)
    }

    /// The first message of a connection of ours (RFC 6733 §5.6: I-Rcv-CEA, I-Rcv-Non-CEA).
    pub(super) fn receive_cea(&mut self, message: &Message<'_>, now: Instant) {
        let Some((slot, config)) = self.slot.clone().and_then(|s| s.config.clone().map(|c| (s, c))) else {
            return;
        };
        let header = &message.header;
        let is_cea = !header.is_request()
            && (header.application, header.command) == (BASE, CapabilitiesExchangeRequest::CODE);
        self.counters.answers_received += u64::from(is_cea);
        let why = if !is_cea {
            Down::Protocol("something else than a CEA came first".to_owned())
        } else {
            match capabilities::check_answer(&self.shared.config, &self.end, message, &config) {
                Ok(info) => {
                    self.phase = Phase::AwaitDecision;
                    slot.cea(&self.link, Arc::new(info));
                    return;
                }
                Err(refused) => Down::Refused { code: refused.code, why: refused.why },
            }
        };
        slot.event(&self.link, |_| Event::IRcvNonCea);
        self.end(why, now);
    }

    /// RFC 6733 §5.3 knows no CER on an open connection.
    pub(super) fn receive_second_cer(&mut self, message: &Message<'_>) {
        self.counters.requests_received += 1;
        let refused = Refused::new(ResultCode::UNABLE_TO_COMPLY, "the connection is open already".to_owned());
        let cea = self.cea(message, refused.code, Some(&refused));
        self.out.octets.extend_from_slice(&cea);
        self.counters.answers_sent += 1;
    }

    /// RFC 6733 §5.5.2: X-Rcv-DWR, Process-DWR, X-Snd-DWA.
    pub(super) fn receive_dwr(&mut self, message: &Message<'_>) {
        self.counters.requests_received += 1;
        self.counters.answers_sent += 1;
        let config = &self.shared.config;
        // A sign of life is one however it looks; only what has to be refused is (§4.1, §7.1.5).
        let refused = DeviceWatchdogRequest::decode(message).err().filter(|error| {
            [ResultCode::AVP_UNSUPPORTED, ResultCode::INVALID_AVP_LENGTH, ResultCode::INVALID_AVP_BITS]
                .contains(&error.code)
        });
        match refused {
            None => DeviceWatchdogAnswer {
                result_code: ResultCode::SUCCESS,
                origin_host: &config.origin_host,
                origin_realm: &config.origin_realm,
                origin_state_id: Some(self.shared.origin_state_id),
                ..DeviceWatchdogAnswer::default()
            }
            .encode(&mut self.out.octets, &message.header),
            Some(error) => self.shared.answering.refuse(message, &error, &mut self.out.octets),
        }
    }

    pub(super) fn receive_dwa(&mut self, now: Instant) {
        self.counters.answers_received += 1;
        let action = self.watchdog.as_mut().and_then(|w| w.dwa(now.into_std()));
        self.watchdog_action(action, now);
    }

    pub(super) fn watchdog_action(&mut self, action: Option<WatchdogAction>, now: Instant) {
        let Some(watchdog) = &self.watchdog else { return };
        let state = watchdog.state();
        self.link.doubtful.store(state != WatchdogState::Okay, Ordering::Relaxed);
        self.link.suspect.store(state == WatchdogState::Suspect, Ordering::Relaxed);
        let peer = self.slot.as_ref().map(|slot| slot.identity.as_str());
        match action {
            Some(WatchdogAction::SendWatchdog) => self.send_dwr(),
            Some(WatchdogAction::Failover) => tracing::warn!(peer, "the peer does not answer the watchdog"),
            Some(WatchdogAction::Failback) => tracing::info!(peer, "the peer answers again"),
            Some(WatchdogAction::CloseConnection) => self.cut(Down::Watchdog, now),
            // Connecting again has its own clock (Tc).
            Some(WatchdogAction::AttemptOpen) | None => {}
        }
    }

    fn send_dwr(&mut self) {
        let config = &self.shared.config;
        let (hop_by_hop, end_to_end) = (self.link.next_hop_by_hop(), self.shared.next_end_to_end());
        DeviceWatchdogRequest {
            origin_host: &config.origin_host,
            origin_realm: &config.origin_realm,
            origin_state_id: Some(self.shared.origin_state_id),
        }
        .encode(&mut self.out.octets, hop_by_hop, end_to_end);
        self.counters.requests_sent += 1;
    }

    /// RFC 6733 §5.4: the peer goes. The DPA is sent when the state machine says so.
    pub(super) fn receive_dpr(&mut self, message: &Message<'_>) {
        self.counters.requests_received += 1;
        // A peer that goes is let go, whatever its DPR looks like.
        let cause = DisconnectPeerRequest::decode(message)
            .map_or(DisconnectCause::Rebooting, |dpr| dpr.disconnect_cause);
        self.dpr = Some(message.header);
        // A DPR of ours that crossed it stays the reason.
        if self.phase == Phase::Open {
            self.down = Down::Disconnected(cause);
        }
        let timers = &self.shared.config.timers;
        let Some(slot) = &self.slot else { return };
        slot.keep_away(match cause {
            DisconnectCause::Rebooting => None,
            DisconnectCause::Busy => Some(timers.reconnect_longest),
            DisconnectCause::DoNotWantToTalkToYou => Some(timers.reconnect_unwelcome),
        });
        slot.event(&self.link, Event::RcvDpr);
    }

    pub(super) fn send_dpa(&mut self, now: Instant) {
        let Some(dpr) = self.dpr.take() else { return };
        let config = &self.shared.config;
        DisconnectPeerAnswer {
            result_code: ResultCode::SUCCESS,
            origin_host: &config.origin_host,
            origin_realm: &config.origin_realm,
            ..DisconnectPeerAnswer::default()
        }
        .encode(&mut self.out.octets, &dpr);
        self.counters.answers_sent += 1;
        self.closing(now);
    }

    pub(super) fn send_dpr(&mut self, cause: DisconnectCause, now: Instant) {
        let config = &self.shared.config;
        let (hop_by_hop, end_to_end) = (self.link.next_hop_by_hop(), self.shared.next_end_to_end());
        DisconnectPeerRequest {
            origin_host: &config.origin_host,
            origin_realm: &config.origin_realm,
            disconnect_cause: cause,
        }
        .encode(&mut self.out.octets, hop_by_hop, end_to_end);
        self.counters.requests_sent += 1;
        self.down = Down::Stopped(cause);
        self.closing(now);
    }

    fn closing(&mut self, now: Instant) {
        if self.phase == Phase::Open {
            self.phase = Phase::Closing;
            self.phase_deadline = Some(now + self.shared.config.timers.disconnect);
        }
    }

    pub(super) fn receive_dpa(&mut self) {
        self.counters.answers_received += 1;
        if let Some(slot) = self.slot.clone() {
            slot.event(&self.link, Event::RcvDpa);
        }
    }

    /// A timer of the state machine.
    pub(super) fn timeout(&mut self, slot: &Arc<Slot>) {
        slot.event(&self.link, |_| Event::Timeout);
    }
}
