//! One connection: its socket, its buffers, and what it does with messages.
//!
//! The task is one hand-written poll: take the mail, read what there is, handle every whole message of it (an
//! application's answers go straight into the write buffer), write all answers at once, look at the clock.
//! Reading goes on while writing is pending, within limits: when too much waits to be written, or too many
//! requests for their answer, nothing more is read until that has changed.

mod base;
mod buffers;
mod io;
mod messages;
mod timers;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};

use self::buffers::{ReadBuffer, WriteBuffer};
use super::admission::Waiting;
use super::capabilities::End;
use super::down::Down;
use super::duplicates::Sender;
use super::link::Link;
use super::mailbox::{Command, Mail};
use super::shared::Shared;
use super::shown::Shown;
use super::slot::Slot;
use super::transport::Connected;
use super::{Counters, PeerInfo, Stream};
use crate::codec::Header;
use crate::peer::{Side, Watchdog, WatchdogState};

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Accepted: a CER has to come.
    AwaitCer,
    /// The peer's slot decides about the CER; nothing more is handled meanwhile.
    AwaitDecision,
    /// Made by us: a CEA has to come.
    AwaitCea,
    /// Messages flow.
    Open,
    /// A DPR was sent or answered; what is under way is still served.
    Closing,
    /// What is in the write buffer is the last.
    Flush,
    /// Nothing more is said; what the peer still says is thrown away, so that closing does not take from it what it
    /// has not read yet.
    Drain,
}

impl Phase {
    fn is_ending(self) -> bool {
        matches!(self, Self::Flush | Self::Drain)
    }

    fn is_up(self) -> bool {
        matches!(self, Self::Open | Self::Closing)
    }
}

/// A connection and its task.
pub(super) struct Connection {
    shared: Arc<Shared>,
    stream: Box<dyn Stream>,
    end: End,
    link: Arc<Link>,
    /// The Origin-Host of the CER of an accepted connection, shortened for the log.
    named: Option<String>,
    /// The peer; of an accepted connection known from its CER on.
    slot: Option<Arc<Slot>>,
    /// Set while it is open.
    info: Option<Arc<PeerInfo>>,
    was_open: bool,
    phase: Phase,
    /// When the phase has lasted too long.
    phase_deadline: Option<Instant>,
    read: ReadBuffer,
    out: WriteBuffer,
    /// Reused for taking the mail.
    mail: Mail,
    /// Requests of the peer that wait for their `Later`.
    in_flight: usize,
    watchdog: Option<Watchdog>,
    /// A message has begun and is not complete.
    begun: Option<Instant>,
    /// Whole messages are left in the read buffer, because there was no room for their answers.
    read_is_waiting: bool,
    /// Octets were handed to the transport that it may hold back.
    unflushed: bool,
    /// The last phase is over.
    drained: bool,
    /// [`Self::leave`] was called.
    left: bool,
    /// The Origin-Host of the last request.
    last_origin: Vec<u8>,
    /// Peer and Origin-Host of the last request as hashes for [`super::duplicates`].
    sender: Sender,
    /// Writing has been pending since.
    stalled: Option<Instant>,
    timer: Pin<Box<Sleep>>,
    /// The header of the DPR to be answered.
    dpr: Option<Header>,
    counters: Counters,
    /// Why it ended, or what will be the reason if it ends now.
    down: Down,
    held: Held,
}

/// What an accepted connection holds as long as it is there.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Its place among those that wait to be identified; given up when it is open.
    pub(super) waiting: Option<Waiting>,
    /// Its place among the node's connections.
    _place: Option<OwnedSemaphorePermit>,
}

impl Held {
    pub(super) fn new(waiting: Waiting, place: OwnedSemaphorePermit) -> Self {
        Self { waiting: Some(waiting), _place: Some(place) }
    }
}

impl Connection {
    /// For a transport that is there. `slot` is the peer we have connected to, none for an accepted one.
    /// CER and CEA have to be done by `deadline`.
    pub(super) fn new(
        shared: Arc<Shared>,
        connected: Connected,
        link: Arc<Link>,
        slot: Option<Arc<Slot>>,
        held: Held,
        deadline: Instant,
    ) -> Self {
        let Connected { stream, kind, local, remote, certificate } = connected;
        Self {
            stream,
            end: End { kind, local, remote, certificate, connection: link.id },
            phase: match link.side {
                Side::Initiator => Phase::AwaitCea,
                Side::Responder => Phase::AwaitCer,
            },
            link,
            named: None,
            slot,
            info: None,
            was_open: false,
            phase_deadline: Some(deadline),
            read: ReadBuffer::default(),
            out: WriteBuffer::default(),
            mail: Mail::default(),
            in_flight: 0,
            watchdog: None,
            begun: None,
            read_is_waiting: false,
            unflushed: false,
            drained: false,
            left: false,
            last_origin: Vec::new(),
            sender: Sender::default(),
            stalled: None,
            timer: Box::pin(tokio::time::sleep_until(deadline)),
            dpr: None,
            counters: Counters::default(),
            down: Down::Aborted,
            held,
            shared,
        }
    }

    /// Runs to the end of the connection; whether it came to be open.
    pub(super) async fn run(mut self) -> bool {
        let stopping = self.shared.stopping.clone();
        let mut stopped = std::pin::pin!(stopping.cancelled());
        let evicted = self.held.waiting.as_ref().map(|waiting| waiting.evicted.clone()).unwrap_or_default();
        let mut evicted = std::pin::pin!(evicted.cancelled());
        poll_fn(|cx| {
            if self.held.waiting.is_some() && evicted.as_mut().poll(cx).is_ready() {
                self.held.waiting = None;
                self.cut(Down::Evicted, Instant::now());
            }
            // A connection that belongs to a peer is stopped by the peer's state machine.
            if self.slot.is_none() && !self.phase.is_ending() && stopped.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            self.poll(cx)
        })
        .await;
        self.was_open
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut now = Instant::now();
        loop {
            let mut progress = self.take_mail(cx, now);
            progress |= self.poll_read(cx, now);
            progress |= self.poll_write(cx, now);
            if self.is_over(cx) {
                return Poll::Ready(());
            }
            if !progress {
                if self.poll_timers(cx, now) {
                    now = Instant::now();
                    continue;
                }
                break;
            }
        }
        self.link.counters.set(&self.counters);
        Poll::Pending
    }

    /// What other tasks have put into the mailbox.
    fn take_mail(&mut self, cx: &Context<'_>, now: Instant) -> bool {
        let mut mail = std::mem::take(&mut self.mail);
        let some = self.link.mailbox.take(&mut mail, cx);
        if some {
            self.counters.answers_sent += mail.answers as u64;
            self.counters.requests_sent += mail.requests as u64;
            self.in_flight = self.in_flight.saturating_sub(mail.answers);
            self.out.take(&mut mail.octets);
            mail.answers = 0;
            mail.requests = 0;
            for command in mail.commands.drain(..) {
                self.command(command, now);
            }
        }
        self.mail = mail;
        some
    }

    fn command(&mut self, command: Command, now: Instant) {
        if self.phase.is_ending() {
            return;
        }
        match command {
            Command::SendCer => self.send_cer(),
            Command::Open { cea, info, watchdog } => {
                self.open(info, watchdog, cea, now);
            }
            Command::Reject { message, why } => {
                self.out.octets.extend_from_slice(&message);
                self.counters.answers_sent += 1;
                self.end(why, now);
            }
            Command::SendDpr(cause) => self.send_dpr(cause, now),
            Command::SendDpa => self.send_dpa(now),
            Command::Probe => {
                let within = self.shared.config.timers.reconnect_first;
                let action = self.watchdog.as_mut().and_then(|w| w.probe(now.into_std(), within));
                self.watchdog_action(action, now);
            }
            Command::Close(why) => self.end(why, now),
        }
    }

    fn open(&mut self, info: Arc<PeerInfo>, before: WatchdogState, cea: Option<Vec<u8>>, now: Instant) {
        tracing::info!(peer = info.identity, realm = info.realm, transport = %info.transport,
            address = %Shown(info.address), product = info.product_name, "the peer is open");
        self.held.waiting = None;
        self.phase = Phase::Open;
        self.phase_deadline = None;
        self.was_open = true;
        self.down = Down::Closed;
        if let Some(cea) = cea {
            self.out.octets.extend_from_slice(&cea);
            self.counters.answers_sent += 1;
        }
        let config = self.slot.as_ref().and_then(|slot| slot.config.as_ref());
        let tw = config.and_then(|c| c.watchdog).unwrap_or(self.shared.config.timers.watchdog);
        // RFC 3539 §3.4.1: a peer that was connected before has to prove itself (REOPEN).
        let state =
            if before == WatchdogState::Initial { WatchdogState::Initial } else { WatchdogState::Down };
        let mut watchdog = Watchdog::new(tw, state, self.shared.jitter(self.link.id), now.into_std());
        let action = watchdog.up(now.into_std());
        self.link.doubtful.store(watchdog.state() != WatchdogState::Okay, Ordering::Relaxed);
        self.watchdog = Some(watchdog);
        self.sender.peer = self.shared.answering.duplicates.host(info.identity.as_bytes());
        self.shared.app.peer_up(&info);
        self.info = Some(info);
        self.watchdog_action(action, now);
        // What came behind the CER or CEA.
        self.handle_messages(now);
    }

    /// The connection ends when all is written, for this reason.
    fn end(&mut self, why: Down, now: Instant) {
        if self.phase.is_ending() {
            return;
        }
        // A DPR says why, whoever closes in the end.
        let after_dpr = matches!(why, Down::Closed | Down::Transport(_) | Down::Replaced(_));
        if !(self.phase == Phase::Closing && after_dpr) {
            self.down = why;
        }
        let timers = &self.shared.config.timers;
        let linger = if matches!(self.down, Down::Stopped(_)) {
            timers.disconnect
        } else {
            LINGER.min(timers.disconnect)
        };
        self.phase = Phase::Flush;
        self.phase_deadline = Some(now + linger);
        self.begun = None;
        self.stalled = None;
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.down(now.into_std());
        }
        self.leave();
    }

    /// Tells the peer's state machine, those who wait and the application, once; what is left to do is to let go
    /// of the transport, which must not keep the peer from coming back.
    fn leave(&mut self) {
        if std::mem::replace(&mut self.left, true) {
            return;
        }
        self.link.waiting().clear();
        if let Some(slot) = &self.slot {
            // After an orderly end nothing has to be proved next time.
            let orderly = matches!(self.down, Down::Disconnected(_) | Down::Stopped(_));
            let state = if orderly { WatchdogState::Initial } else { WatchdogState::Down };
            slot.gone(&self.link, self.was_open.then_some(state));
            self.shared.registry.tidy(slot);
        }
        match self.info.take() {
            Some(info) => {
                let address = Shown(info.address);
                tracing::info!(peer = info.identity, %address, why = %self.down, "the peer is down");
                self.shared.app.peer_down(&info, &self.down);
            }
            None => self.log_never_open(),
        }
    }

    /// Who it was and why, of a connection that ends without having been open.
    fn log_never_open(&self) {
        let configured = self.slot.as_ref().map(|slot| slot.identity.as_str());
        let peer = configured.or(self.named.as_deref());
        let (address, transport, why) = (Shown(self.end.remote), self.end.kind, &self.down);
        if matches!(why, Down::Refused { .. } | Down::AlreadyOpen { .. }) {
            tracing::warn!(peer, %address, %transport, %why, "a peer cannot be connected");
        } else {
            tracing::info!(peer, %address, %transport, %why, "a connection ended before it was open");
        }
    }

    /// Ends at once: nobody is there to read.
    fn cut(&mut self, why: Down, now: Instant) {
        self.end(why, now);
        self.out = WriteBuffer::default();
        self.unflushed = false;
        self.phase = Phase::Drain;
        self.drained = true;
    }
}

/// How long a connection that ends may take to write its last message and to be closed by the peer.
const LINGER: std::time::Duration = std::time::Duration::from_secs(1);

/// However the task ends, by itself, aborted or by a panic, everybody is told.
impl Drop for Connection {
    fn drop(&mut self) {
        self.link.mailbox.close();
        self.link.waiting().clear();
        self.link.counters.set(&self.counters);
        self.leave();
        // A request may have been registered since.
        self.link.waiting().clear();
    }
}
