//! One connection under load: what is due goes out in one write, what has come is read at once.

mod received;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use s6a::codec::Message;
use s6a::codec::frame::{self, Frame};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::fleet::Fleet;
use super::pace::Schedule;
use super::progress::Live;
use super::tally::{Tally, record};
use super::verify::Verifier;
use super::wire::{Ids, Wire, command};
use super::{End, Procedure, Verify};

/// Room for what is read at once.
const READ: usize = 256 << 10;
/// Nothing more is made while so much waits to be written.
const UNWRITTEN: usize = 1 << 20;
/// The largest answer accepted.
const MAX_MESSAGE: usize = 64 << 10;
/// How often requests without answer are looked for.
const LOST_CHECK: Duration = Duration::from_millis(100);
/// How long the server may take over its DPA (RFC 6733 §5.4.2).
const DISCONNECT: Duration = Duration::from_secs(1);

/// What a request in a slot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Air,
    /// AIR with Re-Synchronization-Info; a second synchronisation failure ends the procedure
    /// (TS 24.301 §5.4.2.7 e).
    Resync,
    Ulr,
}

/// A place in the window.
#[derive(Debug, Clone, Copy)]
struct Slot {
    /// Hop-by-Hop id of the request on its way; its lower 16 bits are the slot's number.
    hop_by_hop: u32,
    end_to_end: u32,
    busy: bool,
    device: u32,
    stage: Stage,
    /// When the procedure was due.
    begun: Instant,
    /// When the request was due: latency counts from here.
    due: Instant,
    sent: Instant,
}

/// What the connections of a run have in common.
pub(super) struct Plan {
    pub(super) procedure: Procedure,
    pub(super) verify: Verify,
    pub(super) window: usize,
    pub(super) answer_timeout: Duration,
    pub(super) start: Instant,
    pub(super) deadline: Option<Instant>,
    pub(super) live: Arc<Live>,
    /// Ends the run.
    pub(super) stop: CancellationToken,
}

/// One connection after CER and CEA.
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) wire: Wire,
    pub(super) fleet: Fleet,
    pub(super) verifier: Verifier,
    /// Procedures to begin; `None`: as many as there is time for.
    pub(super) quota: Option<u64>,
    pub(super) schedule: Option<Schedule>,
    pub(super) wake: Arc<Notify>,
}

/// What comes back from a connection.
pub(super) struct Finished {
    pub(super) tally: Tally,
    pub(super) fleet: Fleet,
    pub(super) seen: Vec<(u32, u64)>,
    pub(super) end: End,
    /// When the last answer came.
    pub(super) last: Instant,
}

struct Engine {
    plan: Arc<Plan>,
    wire: Wire,
    fleet: Fleet,
    verifier: Verifier,
    quota: Option<u64>,
    schedule: Option<Schedule>,
    slots: Vec<Slot>,
    free: VecDeque<u16>,
    /// Requests made so far: Hop-by-Hop ids, End-to-End ids and Session-Ids are counted by it.
    count: u32,
    end_to_end: u32,
    out: Vec<u8>,
    written: usize,
    tally: Tally,
    last: Instant,
    /// No more procedures are begun.
    closing: Option<End>,
    /// The server sent DPR.
    dismissed: Option<String>,
}

impl Connection {
    /// Runs until the quota, the deadline, the stop, or the end of the connection.
    pub(super) async fn run(self, plan: Arc<Plan>) -> Finished {
        let Self { stream, wire, fleet, verifier, quota, schedule, wake } = self;
        let blank = Slot {
            hop_by_hop: 0,
            end_to_end: 0,
            busy: false,
            device: 0,
            stage: Stage::Air,
            begun: plan.start,
            due: plan.start,
            sent: plan.start,
        };
        let mut engine = Engine {
            slots: vec![blank; plan.window],
            free: (0..plan.window).map(|slot| slot as u16).collect(),
            last: plan.start,
            wire,
            fleet,
            verifier,
            quota,
            schedule,
            count: 0,
            end_to_end: seed(),
            out: Vec::with_capacity(UNWRITTEN),
            written: 0,
            tally: Tally::default(),
            closing: None,
            dismissed: None,
            plan,
        };
        let end = engine.drive(&stream, &wake).await;
        engine.tally.cut_off += engine.on_their_way() as u64;
        engine.tally.failed += engine.on_their_way() as u64;
        engine.tally.verify = engine.verifier.counts;
        Finished {
            tally: engine.tally,
            fleet: engine.fleet,
            seen: engine.verifier.seen,
            end,
            last: engine.last,
        }
    }
}

/// End-to-End ids start anywhere (RFC 6733 §3), so that another run's are not met again soon.
fn seed() -> u32 {
    getrandom::u32().unwrap_or_else(|_| std::process::id())
}

impl Engine {
    fn on_their_way(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    async fn drive(&mut self, stream: &TcpStream, wake: &Notify) -> End {
        let mut input = vec![0; READ];
        let mut filled = 0;
        let mut next_check = Instant::now() + LOST_CHECK;
        let mut busy_rounds = 0u32;
        loop {
            let now = Instant::now();
            self.begin(now);
            if now >= next_check {
                self.give_up(now);
                next_check = now + LOST_CHECK;
            }
            let mut progress = match self.write(stream) {
                Ok(progress) => progress,
                Err(e) => return End::ConnectionLost(e.to_string()),
            };
            match stream.try_read(&mut input[filled..]) {
                Ok(0) => {
                    return match self.dismissed.take() {
                        Some(cause) => End::PeerDisconnected(cause),
                        None => End::ConnectionLost("the server closed it".into()),
                    };
                }
                Ok(more) => {
                    filled += more;
                    match self.take(&input[..filled]) {
                        Ok(taken) => {
                            input.copy_within(taken..filled, 0);
                            filled -= taken;
                        }
                        Err(e) => return End::ProtocolError(e.to_string()),
                    }
                    progress = true;
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return End::ConnectionLost(e.to_string()),
            }
            if let Some(cause) = self.dismissed.take_if(|_| self.written == self.out.len()) {
                return End::PeerDisconnected(cause);
            }
            if self.on_their_way() == 0
                && self.written == self.out.len()
                && let Some(end) = self.closing.take()
            {
                self.disconnect(stream, &mut input).await;
                return end;
            }
            if progress {
                busy_rounds += 1;
                // Other tasks of the runtime want to live, too.
                if busy_rounds.is_multiple_of(32) {
                    tokio::task::yield_now().await;
                }
                continue;
            }
            let mut interest = Interest::READABLE;
            if self.written < self.out.len() {
                interest |= Interest::WRITABLE;
            }
            let next = self.plan.deadline.map_or(next_check, |deadline| {
                if self.closing.is_none() { deadline.min(next_check) } else { next_check }
            });
            tokio::select! {
                _ = stream.ready(interest) => {}
                () = wake.notified(), if self.schedule.is_some() && self.closing.is_none() => {}
                () = self.plan.stop.cancelled(), if self.closing.is_none() => {}
                () = tokio::time::sleep_until(next.into()) => {}
            }
        }
    }

    /// Begins what is due and fits into the window.
    fn begin(&mut self, now: Instant) {
        if self.closing.is_some() || self.dismissed.is_some() {
            return;
        }
        if self.plan.stop.is_cancelled() {
            self.closing = Some(End::Interrupted);
            return;
        }
        if self.plan.deadline.is_some_and(|deadline| now >= deadline) {
            self.closing = Some(End::Elapsed);
            return;
        }
        loop {
            if self.quota.is_some_and(|quota| self.tally.begun >= quota) {
                self.closing = Some(End::Completed);
                return;
            }
            let due = match &self.schedule {
                Some(schedule) => schedule.due(self.tally.begun),
                None => now,
            };
            if due > now || self.out.len() - self.written > UNWRITTEN {
                return;
            }
            let Some(slot) = self.free.pop_front() else { return };
            let Some(device) = self.fleet.next() else {
                self.free.push_front(slot);
                return;
            };
            self.tally.begun += 1;
            record(&mut self.tally.lag, due, now);
            let place = &mut self.slots[usize::from(slot)];
            place.busy = true;
            place.device = device;
            place.begun = due;
            self.send(slot, Stage::Air, None, due, now);
        }
    }

    /// Puts the next request of a slot into the buffer.
    fn send(&mut self, slot: u16, stage: Stage, resync: Option<&[u8; 30]>, due: Instant, now: Instant) {
        self.count = self.count.wrapping_add(1);
        self.end_to_end = self.end_to_end.wrapping_add(1);
        let ids = Ids {
            hop_by_hop: self.count << 16 | u32::from(slot),
            end_to_end: self.end_to_end,
            session: self.count,
        };
        let place = &mut self.slots[usize::from(slot)];
        place.hop_by_hop = ids.hop_by_hop;
        place.end_to_end = ids.end_to_end;
        place.stage = stage;
        place.due = due;
        place.sent = now;
        let digits = self.fleet.member(place.device).digits();
        let template = match stage {
            Stage::Air => self.wire.air(digits.len()),
            Stage::Resync => self.wire.resync(digits.len()),
            Stage::Ulr => self.wire.ulr(digits.len()),
        };
        if let Some(template) = template {
            template.append(&mut self.out, ids, digits, resync);
        }
        match stage {
            Stage::Air => self.tally.air.requests += 1,
            Stage::Resync => {
                self.tally.air.requests += 1;
                self.tally.resynchronisations += 1;
            }
            Stage::Ulr => self.tally.ulr.requests += 1,
        }
    }

    /// Writes what waits; whether anything was written.
    fn write(&mut self, stream: &TcpStream) -> io::Result<bool> {
        let mut progress = false;
        while self.written < self.out.len() {
            match stream.try_write(&self.out[self.written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(more) => {
                    self.written += more;
                    progress = true;
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(progress),
                Err(e) => return Err(e),
            }
        }
        self.out.clear();
        self.written = 0;
        Ok(progress)
    }

    /// Ends the procedures whose request has waited too long.
    fn give_up(&mut self, now: Instant) {
        for number in 0..self.slots.len() {
            let slot = self.slots[number];
            if slot.busy && now.saturating_duration_since(slot.sent) >= self.plan.answer_timeout {
                self.tally.lost += 1;
                self.plan.live.add(0, 1);
                self.finish(number as u16, false, now);
            }
        }
    }

    /// DPR, and until DPA or the end of patience whatever else comes (RFC 6733 §5.4).
    async fn disconnect(&mut self, stream: &TcpStream, input: &mut [u8]) {
        self.wire.disconnect(&mut self.out);
        let goodbye = async {
            let mut filled = 0;
            while stream.writable().await.is_ok() && self.write(stream).is_ok() {
                if self.out.is_empty() {
                    break;
                }
            }
            while stream.readable().await.is_ok() {
                match stream.try_read(&mut input[filled..]) {
                    Ok(0) => return,
                    Ok(more) => filled += more,
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => continue,
                    Err(_) => return,
                }
                let mut at = 0;
                while let Ok(Frame::Whole(length)) = frame::next(&input[at..filled], MAX_MESSAGE) {
                    let Ok(message) = Message::parse(&input[at..at + length]) else { return };
                    if !message.header.is_request() && message.header.command == command::DISCONNECT_PEER {
                        return;
                    }
                    at += length;
                }
                input.copy_within(at..filled, 0);
                filled -= at;
            }
        };
        // A server that does not answer is left all the same.
        let _ = tokio::time::timeout(DISCONNECT, goodbye).await;
    }
}
