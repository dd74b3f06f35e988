//! One peer with its state machine and the connections that the machine decides about.
//!
//! Connection tasks bring events; the actions go to the mailboxes of the connections they concern. Only what
//! makes, opens and ends connections passes here: never a message of an application.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::down::Down;
use super::link::Link;
use super::mailbox::Command;
use super::{PeerConfig, PeerInfo, PeerStatus};
use crate::base::DisconnectCause;
use crate::peer::{Action, Event, Machine, Side, State, WatchdogState};

/// A connection that asks to be, or is, open.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) link: Arc<Link>,
    pub(super) info: Arc<PeerInfo>,
    /// The CEA for a responder, once it is accepted.
    pub(super) cea: Option<Vec<u8>>,
    /// What a responder is told that is not accepted.
    pub(super) rejection: Vec<u8>,
}

#[derive(Debug)]
struct Inner {
    machine: Machine,
    initiator: Option<Arc<Link>>,
    responder: Option<Candidate>,
    open: Option<(Arc<Link>, Arc<PeerInfo>)>,
    watchdog: WatchdogState,
    stop_cause: DisconnectCause,
    /// The peer's last DPR asked us to stay away (RFC 6733 §5.4.3).
    wait: Option<Duration>,
}

/// A peer.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) identity: String,
    pub(super) config: Option<PeerConfig>,
    inner: Mutex<Inner>,
    /// Told when the state may have become Closed.
    pub(super) closed: Notify,
}

impl Slot {
    pub(super) fn new(local: &str, identity: &str, config: Option<PeerConfig>) -> Self {
        Self {
            identity: identity.to_owned(),
            config,
            inner: Mutex::new(Inner {
                machine: Machine::new(local, identity),
                initiator: None,
                responder: None,
                open: None,
                watchdog: WatchdogState::Initial,
                stop_cause: DisconnectCause::Rebooting,
                wait: None,
            }),
            closed: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state(&self) -> State {
        self.lock().machine.state()
    }

    /// The open connection, and whether it is doubtful.
    pub(super) fn open(&self) -> Option<(Arc<Link>, Arc<PeerInfo>)> {
        let inner = self.lock();
        if inner.machine.state().is_open() { inner.open.clone() } else { None }
    }

    pub(super) fn status(&self) -> PeerStatus {
        let inner = self.lock();
        let (link, info) = inner.open.as_ref().map(|(l, i)| (l, i)).unzip();
        PeerStatus {
            identity: self.identity.clone(),
            realm: info
                .map(|info| info.realm.clone())
                .or_else(|| self.config.as_ref().and_then(|config| config.realm.clone())),
            state: inner.machine.state(),
            suspect: link.is_some_and(|link| link.suspect.load(Ordering::Relaxed)),
            transport: info.map(|info| info.transport),
            address: info.and_then(|info| info.address),
            since: info.map(|info| info.since),
            origin_state_id: info.and_then(|info| info.origin_state_id),
            product_name: info.map(|info| info.product_name.clone()),
            counters: link.map(|link| link.counters.get()).unwrap_or_default(),
        }
    }

    /// Start: whether the caller has to connect now (I-Snd-Conn-Req).
    pub(super) fn start(&self) -> bool {
        self.run(&mut self.lock(), Event::Start, None).contains(&Action::ISndConnReq)
    }

    /// I-Rcv-Conn-Ack with the connection: false if it is not wanted any more.
    pub(super) fn connected(&self, link: &Arc<Link>) -> bool {
        let mut inner = self.lock();
        inner.initiator = Some(Arc::clone(link));
        let wanted = self.run(&mut inner, Event::IRcvConnAck, None).contains(&Action::ISndCer);
        if !wanted && inner.initiator.as_ref().is_some_and(|i| i.id == link.id) {
            inner.initiator = None;
        }
        wanted
    }

    /// I-Rcv-Conn-Nack.
    pub(super) fn not_connected(&self) {
        self.run(&mut self.lock(), Event::IRcvConnNack, None);
    }

    /// R-Conn-CER: an acceptable CER. What comes of it comes to the candidate's mailbox.
    pub(super) fn cer(&self, candidate: Candidate) {
        let mut inner = self.lock();
        let replaces = inner.open.as_ref().is_some_and(|(link, info)| {
            link.suspect.load(Ordering::Relaxed)
                // RFC 6733 §8.16: the id grows with each restart.
                || matches!((info.origin_state_id, candidate.info.origin_state_id), (Some(old), Some(new)) if new > old)
        });
        self.run(&mut inner, Event::RConnCer { replaces }, Some(candidate));
    }

    /// I-Rcv-CEA, acceptable.
    pub(super) fn cea(&self, link: &Arc<Link>, info: Arc<PeerInfo>) {
        let mut inner = self.lock();
        if side_of(&inner, link) == Some(Side::Initiator) {
            let candidate = Candidate { link: Arc::clone(link), info, cea: None, rejection: Vec::new() };
            self.run(&mut inner, Event::IRcvCea, Some(candidate));
        }
    }

    /// An event of one connection; ignored if the machine has nothing to do with the connection any more.
    pub(super) fn event(&self, link: &Arc<Link>, event: impl FnOnce(Side) -> Event) {
        let mut inner = self.lock();
        if let Some(side) = side_of(&inner, link) {
            self.run(&mut inner, event(side), None);
        }
    }

    /// The connection is gone, with the state of its watchdog if it was open.
    pub(super) fn gone(&self, link: &Arc<Link>, watchdog: Option<WatchdogState>) {
        let mut inner = self.lock();
        if let Some(side) = side_of(&inner, link) {
            // One whose place has been taken says nothing about the peer any more.
            if let Some(watchdog) = watchdog {
                inner.watchdog = watchdog;
            }
            self.run(&mut inner, Event::PeerDisc(side), None);
        }
        drop(inner);
        self.closed.notify_waiters();
        self.closed.notify_one();
    }

    /// Stop.
    pub(super) fn stop(&self, cause: DisconnectCause) {
        let mut inner = self.lock();
        inner.stop_cause = cause;
        self.run(&mut inner, Event::Stop, None);
    }

    /// The peer's DPR asks us to wait so long before connecting again.
    pub(super) fn keep_away(&self, wait: Option<Duration>) {
        self.lock().wait = wait;
    }

    pub(super) fn take_wait(&self) -> Option<Duration> {
        self.lock().wait.take()
    }

    fn run(&self, inner: &mut Inner, event: Event, candidate: Option<Candidate>) -> Vec<Action> {
        let before = inner.machine.state();
        let actions = inner.machine.handle(event);
        tracing::trace!(peer = self.identity, ?event, ?before, after = ?inner.machine.state(), ?actions);
        let mut candidate = candidate;
        for action in &actions {
            perform(inner, *action, event, &mut candidate);
        }
        if !inner.machine.state().is_open() {
            inner.open = None;
        }
        if let Some(candidate) = candidate
            && actions.is_empty()
        {
            // No row for it: the candidate must not wait for ever.
            candidate.link.mailbox.command(Command::Close(Down::ElectionLost));
        }
        if inner.machine.state() == State::Closed && before != State::Closed {
            self.closed.notify_waiters();
            self.closed.notify_one();
        }
        actions
    }
}

fn side_of(inner: &Inner, link: &Arc<Link>) -> Option<Side> {
    let is = |other: &Arc<Link>| other.id == link.id;
    if inner.initiator.as_ref().is_some_and(is) {
        Some(Side::Initiator)
    } else if inner.responder.as_ref().is_some_and(|r| is(&r.link)) {
        Some(Side::Responder)
    } else {
        None
    }
}

fn ip(peer: &PeerInfo) -> Option<IpAddr> {
    peer.address.map(|address| address.ip().to_canonical())
}

fn link(inner: &Inner, side: Side) -> Option<&Arc<Link>> {
    match side {
        Side::Initiator => inner.initiator.as_ref(),
        Side::Responder => inner.responder.as_ref().map(|responder| &responder.link),
    }
}

fn disconnect(inner: &mut Inner, side: Side, why: Down) {
    let link = match side {
        Side::Initiator => inner.initiator.take(),
        Side::Responder => inner.responder.take().map(|responder| responder.link),
    };
    if let Some(link) = link {
        link.mailbox.command(Command::Close(why));
    }
}

fn perform(inner: &mut Inner, action: Action, event: Event, candidate: &mut Option<Candidate>) {
    let replaced = |candidate: &Option<Candidate>| -> Down {
        let by: Option<SocketAddr> = candidate.as_ref().and_then(|new| new.info.address);
        Down::Replaced(by)
    };
    match action {
        Action::RAccept => inner.responder = candidate.take(),
        Action::RReject => {
            if let Some(Candidate { link, info, rejection, .. }) = candidate.take() {
                let why = match &inner.open {
                    Some((_, open)) => {
                        Down::AlreadyOpen { kept: open.address, from_elsewhere: ip(open) != ip(&info) }
                    }
                    None => Down::ElectionLost,
                };
                link.mailbox.command(Command::Reject { message: rejection, why });
            }
        }
        Action::RSndCea => {
            if let Some(responder) = &mut inner.responder {
                let (link, info) = (Arc::clone(&responder.link), Arc::clone(&responder.info));
                link.mailbox.command(Command::Open {
                    cea: responder.cea.take(),
                    info: Arc::clone(&info),
                    watchdog: inner.watchdog,
                });
                inner.open = Some((link, info));
            }
        }
        Action::ISndCer => {
            if let Some(link) = &inner.initiator {
                link.mailbox.command(Command::SendCer);
            }
        }
        Action::ProcessCea => {
            if let Some(Candidate { link, info, .. }) = candidate.take() {
                link.mailbox.command(Command::Open {
                    cea: None,
                    info: Arc::clone(&info),
                    watchdog: inner.watchdog,
                });
                inner.open = Some((link, info));
            }
        }
        Action::Disc(side) => {
            let why = match event {
                Event::RConnCer { replaces: true } => replaced(candidate),
                Event::RcvDpa(_) => Down::Stopped(inner.stop_cause),
                Event::PeerDisc(_) => Down::Closed,
                _ => Down::ElectionLost,
            };
            disconnect(inner, side, why);
        }
        Action::Error => {
            let why = match event {
                Event::Timeout => Down::TimedOut("the peer did not answer CER or DPR, or did not close"),
                Event::Stop => Down::Stopped(inner.stop_cause),
                Event::RConnCer { .. } => replaced(candidate),
                _ => Down::Protocol("something else than a CEA came first".to_owned()),
            };
            disconnect(inner, Side::Initiator, why.clone());
            disconnect(inner, Side::Responder, why);
        }
        Action::SndDpr(side) => {
            let command = Command::SendDpr(inner.stop_cause);
            if let Some(link) = link(inner, side) {
                link.mailbox.command(command);
            }
        }
        Action::SndDpa(side) => {
            if let Some(link) = link(inner, side) {
                link.mailbox.command(Command::SendDpa);
            }
        }
        Action::Probe => {
            if let Some((link, _)) = &inner.open {
                link.mailbox.command(Command::Probe);
            }
        }
        // I-Snd-Conn-Req is the caller's, Elect the machine's; messages and watchdogs are handled where the
        // connection is.
        Action::ISndConnReq
        | Action::Elect
        | Action::ProcessCer
        | Action::Cleanup
        | Action::SndMessage(_)
        | Action::Process
        | Action::ProcessDwr
        | Action::SndDwa(_)
        | Action::ProcessDwa => {}
    }
}
