//! Carries a request to whom it is for, and the answer back: bounded in number and in time, so that a node that falls
//! silent leaves nobody without an answer.

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
    time::{Duration, Instant},
};

use s6a::{
    codec::{Header, Message, ResultCode},
    net::{Destination, Later, Node, Onward, OwnedMessage, RequestError},
};

use super::{
    metrics::{self, RelayMetrics},
    passage::{Next, passed_on},
    places::Places,
    route::Direction,
};

/// Carries requests; one for the relay.
#[derive(Debug)]
pub struct Courier {
    node: OnceLock<Weak<Node>>,
    /// How long an answer may take.
    within: Duration,
    /// Places for requests that wait, by direction: the one must not starve the other.
    places: [Arc<Places>; 2],
    /// The counters.
    pub metrics: RelayMetrics,
    complaints: Complaints,
}

impl Courier {
    /// With `pending` places each way (see [`Places`]), and `within` for an answer.
    #[must_use]
    pub fn new(pending: usize, within: Duration, metrics: RelayMetrics) -> Self {
        for direction in Direction::ALL {
            metrics.pending.with_label_values(&[direction.label()]).set(0);
        }
        Self {
            node: OnceLock::new(),
            within,
            places: [(); 2].map(|()| Arc::new(Places::new(pending))),
            metrics,
            complaints: Complaints::default(),
        }
    }

    /// The node to send with, once it runs.
    pub fn runs(&self, node: &Arc<Node>) {
        // A second node of one application does not occur.
        let _ = self.node.set(Arc::downgrade(node));
    }

    /// The node, while it runs.
    #[must_use]
    pub fn node(&self) -> Option<Arc<Node>> {
        self.node.get().and_then(Weak::upgrade)
    }

    /// Carries a request of the peer `from`, and its answer back.
    pub async fn carry(&self, direction: Direction, from: &str, next: Next, later: Later) {
        let carried = self.ask(direction, from, &next, &later.request()).await;
        match carried {
            Ok(answer) => {
                let mut octets = answer.message().octets().to_vec();
                // RFC 6733 §6.2.2: the Hop-by-Hop id that the request came with.
                octets[12..16].copy_from_slice(&later.request().header.hop_by_hop.to_be_bytes());
                later.send(octets);
            }
            Err(error) => later.refuse(refusal(error)),
        }
    }

    /// The answer to a request that goes on. Why there is none is counted, and logged.
    ///
    /// # Errors
    /// As [`Node::pass_on`]; `Busy` also where too many wait, `Malformed` also for an answer to something else.
    pub async fn ask(
        &self,
        direction: Direction,
        from: &str,
        next: &Next,
        request: &Message<'_>,
    ) -> Result<OwnedMessage, RequestError> {
        let (command, way) = (metrics::command(request.header.command), direction.label());
        let answered = match self.places[direction as usize].take(from, request.octets().len()) {
            None => Err(RequestError::Busy),
            Some(_place) => self.send(direction, from, next, request).await,
        };
        match &answered {
            Ok(answer) => {
                let class = metrics::class(&answer.message());
                self.metrics.answers.with_label_values(&[command, way, class]).inc();
            }
            Err(error) => {
                let reason = metrics::reason(*error);
                self.metrics.failed.with_label_values(&[command, way, reason]).inc();
                if let Some(left_out) = self.complaints.may_be_said(Instant::now()) {
                    let to = &next.host;
                    tracing::warn!(command, to, %error, left_out, "a request for another node was not answered by it");
                }
            }
        }
        answered
    }

    async fn send(
        &self,
        direction: Direction,
        from: &str,
        next: &Next,
        request: &Message<'_>,
    ) -> Result<OwnedMessage, RequestError> {
        let node = self.node().ok_or(RequestError::NoPeer)?;
        let onward = Onward {
            to: Destination { host: Some(&next.host), realm: &next.realm },
            from,
            // What is for the HSS goes to the HSS: whoever calls itself a relay would get the subscribers' IMSIs.
            direct: direction == Direction::Up,
            within: self.within,
        };
        let (command, way) = (metrics::command(request.header.command), direction.label());
        self.metrics.requests.with_label_values(&[command, way]).inc();
        let pending = self.metrics.pending.with_label_values(&[way]);
        pending.inc();
        let _one_less = AtEnd(move || pending.dec());
        let begun = Instant::now();
        let write = |out: &mut Vec<u8>, hop_by_hop: u32| passed_on(request, from, next, hop_by_hop, out);
        let answer = node.pass_on(onward, write).await?;
        self.metrics.seconds.with_label_values(&[way]).observe(begun.elapsed().as_secs_f64());
        if !answers(&answer.message().header, &request.header) {
            return Err(RequestError::Malformed);
        }
        Ok(answer)
    }
}

/// Whether an answer is to this request (RFC 6733 §3: the answer's End-to-End id, §6.2: its command).
fn answers(answer: &Header, request: &Header) -> bool {
    (answer.command, answer.application, answer.end_to_end)
        == (request.command, request.application, request.end_to_end)
}

/// What a request is answered with that was not answered by whom it is for (RFC 6733 §7.1.3, §7.1.5).
#[must_use]
pub fn refusal(error: RequestError) -> ResultCode {
    match error {
        RequestError::NoPeer | RequestError::TimedOut | RequestError::Disconnected => {
            ResultCode::UNABLE_TO_DELIVER
        }
        RequestError::Busy => ResultCode::TOO_BUSY,
        RequestError::Malformed => ResultCode::UNABLE_TO_COMPLY,
    }
}

/// Does something when it is dropped, however the future that holds it ends.
struct AtEnd<F: FnMut()>(F);

impl<F: FnMut()> Drop for AtEnd<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// One line a second in the log: a silent HSS must not fill it.
#[derive(Debug, Default)]
struct Complaints(Mutex<(Option<Instant>, u64)>);

impl Complaints {
    /// Whether a complaint may be said now: with how many were not since the last one.
    fn may_be_said(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, left_out) = &mut *state;
        if last.is_some_and(|last| now.saturating_duration_since(last) < Duration::from_secs(1)) {
            *left_out += 1;
            return None;
        }
        *last = Some(now);
        Some(std::mem::take(left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_complaint_a_second_is_said_and_the_others_are_counted() {
        let (complaints, start) = (Complaints::default(), Instant::now());
        let said = |ms: u64| complaints.may_be_said(start + Duration::from_millis(ms));
        assert_eq!([0, 1, 999, 1000, 1500, 2600].map(said), [Some(0), None, None, Some(2), None, Some(1)]);
    }

    #[test]
    fn what_was_not_answered_is_refused_as_the_rfc_says() {
        for error in [RequestError::NoPeer, RequestError::TimedOut, RequestError::Disconnected] {
            assert_eq!(refusal(error).0, 3002);
        }
        assert_eq!(refusal(RequestError::Busy).0, 3004);
        assert_eq!(refusal(RequestError::Malformed).0, 5012);
    }
}
