//! Bodies of requests, which have a time to come in, and of answers, which are under way until they have gone out.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::activity::{Activity, RequestUnderWay};

/// How long the body of a request may take: `timeout`, and a second more for each `rate` octets that have come.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodyTime {
    pub timeout: Duration,
    pub rate: u32,
}

/// A request's body that is given up if it comes too slowly.
pub(super) struct TimedBody {
    body: Incoming,
    time: BodyTime,
    activity: Arc<Activity>,
    /// Set when it was given up.
    too_slow: Arc<AtomicBool>,
    begun: Option<Instant>,
    octets: u64,
    alarm: Option<Pin<Box<Sleep>>>,
}

/// A request's body came too slowly.
#[derive(Debug, thiserror::Error)]
#[error("the body of the request comes too slowly")]
pub(super) struct TooSlow;

impl TimedBody {
    pub fn new(body: Incoming, time: BodyTime, activity: Arc<Activity>, too_slow: Arc<AtomicBool>) -> Self {
        Self { body, time, activity, too_slow, begun: None, octets: 0, alarm: None }
    }

    fn deadline(&self, begun: Instant) -> Instant {
        let rate = u64::from(self.time.rate.max(1));
        begun + self.time.timeout + Duration::from_millis(self.octets.saturating_mul(1000) / rate)
    }
}

impl HttpBody for TimedBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let this = &mut *self;
        let begun = *this.begun.get_or_insert_with(Instant::now);
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            if let Some(Ok(frame)) = &frame {
                this.octets += frame.data_ref().map_or(0, |data| data.len() as u64);
                this.activity.note_progress();
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let deadline = this.deadline(begun);
        let alarm = this.alarm.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if alarm.deadline() != deadline {
            alarm.as_mut().reset(deadline);
        }
        if alarm.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        this.too_slow.store(true, Ordering::Relaxed);
        Poll::Ready(Some(Err(TooSlow.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body; its request ends with it.
pub(super) struct AnswerBody {
    pub body: Body,
    pub request: RequestUnderWay,
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if frame.is_ready() {
            self.request.activity().note_progress();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
