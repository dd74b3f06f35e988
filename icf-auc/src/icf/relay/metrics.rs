//! What the relay counts (Prometheus). No label holds a subscriber or anything else that a peer can choose.

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry};
use s6a::{
    codec::{
        Message,
        avp::MAX_DEPTH,
        dictionary::base::{EXPERIMENTAL_RESULT, EXPERIMENTAL_RESULT_CODE, RESULT_CODE},
    },
    net::RequestError,
};

/// The relay's counters; clones are the same ones.
#[derive(Debug, Clone)]
pub struct RelayMetrics {
    /// Requests that went on, by command and direction; a reset counts once for each node that it is sent to.
    pub requests: IntCounterVec,
    /// Answers that were passed back, by command, direction and class of the result.
    pub answers: IntCounterVec,
    /// Requests that the other side has not answered, by command, direction and reason.
    pub failed: IntCounterVec,
    /// Seconds from a request that goes on to its answer, by direction.
    pub seconds: HistogramVec,
    /// Requests that wait for their answer, by direction.
    pub pending: IntGaugeVec,
}

impl RelayMetrics {
    /// Registers them.
    ///
    /// # Errors
    /// If one is registered there already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counters = |name: &str, help: &str, labels: &[&str]| -> Result<_, prometheus::Error> {
            let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counters.clone()))?;
            Ok(counters)
        };
        let seconds = HistogramVec::new(
            HistogramOpts::new("callhome_relay_seconds", "From a relayed request to its answer.")
                .buckets(prometheus::exponential_buckets(1e-4, 4.0, 9)?),
            &["direction"],
        )?;
        registry.register(Box::new(seconds.clone()))?;
        let pending = IntGaugeVec::new(
            Opts::new("callhome_relay_pending", "Relayed requests that wait for their answer."),
            &["direction"],
        )?;
        registry.register(Box::new(pending.clone()))?;
        Ok(Self {
            requests: counters(
                "callhome_relay_requests_total",
                "Relayed requests by command and direction.",
                &["command", "direction"],
            )?,
            answers: counters(
                "callhome_relay_answers_total",
                "Answers to relayed requests by command, direction and class of the result.",
                &["command", "direction", "result"],
            )?,
            failed: counters(
                "callhome_relay_failed_total",
                "Requests for others that were answered here, by command, direction and reason.",
                &["command", "direction", "reason"],
            )?,
            seconds,
            pending,
        })
    }
}

/// Why a request for somebody else was answered here, as a label.
#[must_use]
pub fn reason(error: RequestError) -> &'static str {
    match error {
        RequestError::NoPeer => "away",
        RequestError::TimedOut => "timeout",
        RequestError::Disconnected => "connection lost",
        RequestError::Busy => "busy",
        RequestError::Malformed => "malformed",
    }
}

/// The class of an answer's Result-Code or Experimental-Result-Code (RFC 6733 §7.1): codes are the peer's to choose,
/// and it could choose very many.
#[must_use]
pub fn class(answer: &Message<'_>) -> &'static str {
    let code = answer.find(&RESULT_CODE).and_then(|avp| avp.u32().ok()).or_else(|| {
        let members = answer.find(&EXPERIMENTAL_RESULT)?.group(MAX_DEPTH).ok()?;
        members.flatten().find(|avp| avp.is(&EXPERIMENTAL_RESULT_CODE))?.u32().ok()
    });
    match code.map(|code| code / 1000) {
        Some(1) => "1xxx",
        Some(2) => "2xxx",
        Some(3) => "3xxx",
        Some(4) => "4xxx",
        Some(5) => "5xxx",
        _ => "none",
    }
}

/// A command as engineers write it; the others of S6a have no number that gets here (RFC 6733 §7.1.3, 3001).
#[must_use]
pub fn command(code: u32) -> &'static str {
    match code {
        316 => "ULR",
        317 => "CLR",
        318 => "AIR",
        319 => "IDR",
        320 => "DSR",
        321 => "PUR",
        322 => "RSR",
        323 => "NOR",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use s6a::codec::{CommandFlags, Header, Writer, dictionary::base::VENDOR_ID};

    use super::*;

    fn class_of(write: impl FnOnce(&mut Writer<'_>)) -> &'static str {
        let header = Header {
            length: 0,
            flags: CommandFlags(0),
            command: 318,
            application: 16_777_251,
            hop_by_hop: 1,
            end_to_end: 1,
        };
        let mut out = Vec::new();
        let mut w = Writer::new(&mut out, &header);
        write(&mut w);
        w.finish();
        class(&Message::parse(&out).unwrap())
    }

    #[test]
    fn an_answer_is_counted_by_the_class_of_whichever_result_it_has() {
        assert_eq!(class_of(|w| w.u32(&RESULT_CODE, 2001)), "2xxx");
        assert_eq!(class_of(|w| w.u32(&RESULT_CODE, 3002)), "3xxx");
        assert_eq!(class_of(|w| w.u32(&RESULT_CODE, u32::MAX)), "none");
        assert_eq!(class_of(|w| w.octets(&RESULT_CODE, &[1])), "none");
        assert_eq!(class_of(|_| ()), "none");
        let experimental = |code: u32| {
            class_of(|w| {
                w.group(&EXPERIMENTAL_RESULT, |w| {
                    w.u32(&VENDOR_ID, 10415);
                    w.u32(&EXPERIMENTAL_RESULT_CODE, code);
                });
            })
        };
        assert_eq!((experimental(5001), experimental(4181)), ("5xxx", "4xxx"));
    }
}
