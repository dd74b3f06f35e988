//! How many connections one source has: a server that strangers reach must not be filled by one of them.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use crate::throttle::source;

/// Connections by source; no more entries than connections.
#[derive(Debug, Clone)]
pub(super) struct Sources {
    /// 0: as many as it likes.
    most: usize,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A connection's place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    of: IpAddr,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Sources {
    pub(super) fn new(most: usize) -> Self {
        Self { most, open: Arc::default() }
    }

    /// A place for one more connection of this address; `None`: its source has as many as it may.
    pub(super) fn take(&self, address: IpAddr) -> Option<Place> {
        let of = source(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(of).or_default();
        if self.most > 0 && *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place { of, open: Arc::clone(&self.open) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.of) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.of);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_its_share_and_nothing_is_remembered_of_whoever_left() {
        let sources = Sources::new(2);
        let at = |text: &str| sources.take(text.parse().unwrap());
        let (first, second) = (at("2001:db8::1").unwrap(), at("2001:db8::2").unwrap());
        assert!(at("2001:db8::3").is_none(), "of the same network");
        let other = at("2001:db8:0:1::1").unwrap();
        drop(first);
        let third = at("2001:db8::3").unwrap();
        drop((second, third, other));
        assert!(sources.open.lock().unwrap().is_empty());
        let any = Sources::new(0);
        let all: Vec<_> = (0..100).filter_map(|_| any.take("10.0.0.1".parse().unwrap())).collect();
        assert_eq!(all.len(), 100);
    }
}
