//! Messages that have come already (RFC 7252 §4.5), remembered within bounds.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::Arc,
};

use super::Millis;

type Key = (SocketAddr, u16);
/// Until when it is remembered, and what it was answered.
type Known = (Millis, Option<Arc<[u8]>>);

/// What is known of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Never seen: it is remembered now, as under way.
    New,
    /// Its answer is being made: the duplicate is ignored.
    UnderWay,
    /// It was answered with this: the same is to be sent again.
    Answered(Arc<[u8]>),
}

/// The messages of late, by endpoint and message ID.
#[derive(Debug)]
pub struct Recent {
    most: usize,
    known: HashMap<Key, Known>,
    order: VecDeque<(Millis, Key)>,
}

impl Recent {
    /// Remembers at most `most` messages; beyond, the oldest is forgotten.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most: most.max(1), known: HashMap::new(), order: VecDeque::new() }
    }

    /// A message has come `now`; it is remembered for `lifetime` (EXCHANGE_LIFETIME or NON_LIFETIME).
    pub fn take(&mut self, from: SocketAddr, id: u16, now: Millis, lifetime: Millis) -> Seen {
        self.forget(now);
        let key = (from, id);
        match self.known.get(&key) {
            Some((until, answer)) if *until > now => {
                return answer.clone().map_or(Seen::UnderWay, Seen::Answered);
            }
            _ => {}
        }
        let until = now.saturating_add(lifetime);
        self.known.insert(key, (until, None));
        self.order.push_back((until, key));
        while self.order.len() > self.most {
            self.drop_oldest();
        }
        Seen::New
    }

    /// It was answered with this.
    pub fn answered(&mut self, from: SocketAddr, id: u16, answer: Arc<[u8]>) {
        if let Some((_, slot)) = self.known.get_mut(&(from, id)) {
            *slot = Some(answer);
        }
    }

    /// Messages remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether none is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    fn forget(&mut self, now: Millis) {
        while self.order.front().is_some_and(|(until, _)| *until <= now) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((until, key)) = self.order.pop_front()
            && self.known.get(&key).is_some_and(|(known, _)| *known == until)
        {
            self.known.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duplicate_gets_the_same_answer_until_its_lifetime_is_over() {
        let mut recent = Recent::new(8);
        let (a, b) = ("10.0.0.1:1".parse().unwrap(), "10.0.0.1:2".parse().unwrap());
        assert_eq!(recent.take(a, 1, 0, 100), Seen::New);
        assert_eq!(recent.take(a, 1, 1, 100), Seen::UnderWay);
        recent.answered(a, 1, Arc::from(&b"x"[..]));
        assert_eq!(recent.take(a, 1, 99, 100), Seen::Answered(Arc::from(&b"x"[..])));
        assert_eq!(recent.take(b, 1, 99, 100), Seen::New, "another port is another endpoint");
        assert_eq!(recent.take(a, 1, 100, 100), Seen::New);
    }

    #[test]
    fn memory_is_bounded_whatever_comes() {
        let mut recent = Recent::new(16);
        for n in 0..10_000_u32 {
            let from = SocketAddr::from((n.to_be_bytes(), 5683));
            recent.take(from, n as u16, u64::from(n), 247_000);
            assert!(recent.len() <= 16 && recent.order.len() <= 16);
        }
    }
}
