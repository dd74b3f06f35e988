//! Log lines about requests that do not reach a node: one a node and minute, with how many were left out.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Between two lines about one node.
const INTERVAL: Duration = Duration::from_secs(60);
/// Nodes remembered at most; those of whom nothing was said for an interval go first.
const MAX_NODES: usize = 1000;

/// When something was said last of each node, and what was left out since.
#[derive(Debug, Default)]
pub struct DeliveryLog(Mutex<HashMap<String, (Instant, u64)>>);

impl DeliveryLog {
    /// Whether a line about `node` is due; if so, how many were left out since the last one.
    pub fn due(&self, node: &str, now: Instant) -> Option<u64> {
        let mut nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((last, left_out)) = nodes.get_mut(node) {
            if now.duration_since(*last) < INTERVAL {
                *left_out += 1;
                return None;
            }
            *last = now;
            return Some(std::mem::take(left_out));
        }
        if nodes.len() >= MAX_NODES {
            nodes.retain(|_, (last, _)| now.duration_since(*last) < INTERVAL);
        }
        if nodes.len() >= MAX_NODES {
            return None;
        }
        nodes.insert(node.to_owned(), (now, 0));
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_node_and_minute_with_how_many_were_left_out() {
        let (log, start) = (DeliveryLog::default(), Instant::now());
        assert_eq!(log.due("a", start), Some(0));
        assert_eq!(log.due("b", start), Some(0));
        for second in 1..60 {
            assert_eq!(log.due("a", start + Duration::from_secs(second)), None);
        }
        assert_eq!(log.due("a", start + INTERVAL), Some(59));
        assert_eq!(log.due("b", start + INTERVAL), Some(0));
    }

    #[test]
    fn names_that_others_make_up_do_not_fill_the_memory() {
        let (log, start) = (DeliveryLog::default(), Instant::now());
        for n in 0..2 * MAX_NODES {
            log.due(&n.to_string(), start);
        }
        assert_eq!(log.0.lock().unwrap().len(), MAX_NODES);
        assert_eq!(log.due("later", start + INTERVAL), Some(0));
    }
}
