//! Which UE a message of the MME is for: by the eNB's identifier of its connection, or by what it is paged by.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use schemas::identity::Imsi;
use tokio::sync::mpsc;

use super::messages::{Erab, Ids, MmeKey};

/// What an eNB hands to a UE.
#[derive(Debug)]
pub(super) enum ToUe {
    Nas(Ids, Vec<u8>),
    ContextSetup {
        ids: Ids,
        erabs: Vec<Erab>,
        key: Option<MmeKey>,
        ambr: Option<(u64, u64)>,
    },
    ContextModification(Ids),
    ErabSetup(Ids, Vec<Erab>),
    ErabModify(Ids, Vec<(u8, Vec<u8>)>),
    ErabRelease(Ids, Vec<u8>, Option<Vec<u8>>),
    Release(Ids, String),
    Paged {
        by_imsi: bool,
    },
    /// The connection is gone without a word: RESET, or the association is lost.
    Gone(String),
}

impl ToUe {
    /// The connection that the MME means, if it names one.
    pub(super) fn ids(&self) -> Option<Ids> {
        match self {
            Self::Nas(ids, _)
            | Self::ContextSetup { ids, .. }
            | Self::ContextModification(ids)
            | Self::ErabSetup(ids, _)
            | Self::ErabModify(ids, _)
            | Self::ErabRelease(ids, ..)
            | Self::Release(ids, _) => Some(*ids),
            Self::Paged { .. } | Self::Gone(_) => None,
        }
    }
}

/// A UE's inbox.
pub(super) type Inbox = mpsc::UnboundedSender<ToUe>;

#[derive(Debug, Default)]
struct Tables {
    by_id: HashMap<u32, Inbox>,
    /// Connections whose UE is lost and that the MME has not released yet.
    lost: HashSet<u32>,
    by_tmsi: HashMap<(u8, u32), Inbox>,
    by_imsi: HashMap<Vec<u8>, Inbox>,
    next: u32,
}

/// All UEs of an eNB.
#[derive(Debug, Default)]
pub(super) struct Registry(Mutex<Tables>);

/// eNB UE S1AP ID has 24 bits, TS 36.413 §9.2.3.4.
const IDS: u32 = 1 << 24;

impl Registry {
    fn lock(&self) -> MutexGuard<'_, Tables> {
        // What a panicking thread left is whole: entries are put in and taken out as one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new connection: its identifier; `None` if all 16 million are taken.
    pub(super) fn open(&self, inbox: &Inbox) -> Option<u32> {
        let mut tables = self.lock();
        for _ in 0..IDS {
            let id = tables.next;
            tables.next = (id + 1) % IDS;
            if !tables.by_id.contains_key(&id) && !tables.lost.contains(&id) {
                tables.by_id.insert(id, inbox.clone());
                return Some(id);
            }
        }
        None
    }

    pub(super) fn close(&self, id: u32) {
        self.lock().by_id.remove(&id);
    }

    /// The UE of a connection is lost; the connection itself is the eNB's until the MME releases it (TS 36.413 §8.3.2).
    pub(super) fn lose(&self, id: u32) {
        let mut tables = self.lock();
        if tables.by_id.remove(&id).is_some() {
            tables.lost.insert(id);
        }
    }

    /// Whether a connection has lost its UE.
    pub(super) fn is_lost(&self, id: u32) -> bool {
        self.lock().lost.contains(&id)
    }

    /// The MME has released a connection that had lost its UE.
    pub(super) fn forget_lost(&self, id: u32) {
        self.lock().lost.remove(&id);
    }

    /// A UE that can be paged.
    pub(super) fn known(&self, imsi: Imsi, s_tmsi: Option<(u8, u32)>, inbox: &Inbox) {
        let mut tables = self.lock();
        tables.by_imsi.insert(tbcd(imsi), inbox.clone());
        if let Some(s_tmsi) = s_tmsi {
            tables.by_tmsi.insert(s_tmsi, inbox.clone());
        }
    }

    pub(super) fn unknown(&self, imsi: Imsi, s_tmsi: Option<(u8, u32)>) {
        let mut tables = self.lock();
        tables.by_imsi.remove(&tbcd(imsi));
        if let Some(s_tmsi) = s_tmsi {
            tables.by_tmsi.remove(&s_tmsi);
        }
    }

    /// Hands over; `false`: there is no such connection.
    pub(super) fn to(&self, enb: u32, what: ToUe) -> bool {
        let inbox = self.lock().by_id.get(&enb).cloned();
        inbox.is_some_and(|inbox| inbox.send(what).is_ok())
    }

    pub(super) fn page_tmsi(&self, s_tmsi: (u8, u32)) {
        if let Some(inbox) = self.lock().by_tmsi.get(&s_tmsi) {
            let _ = inbox.send(ToUe::Paged { by_imsi: false });
        }
    }

    pub(super) fn page_imsi(&self, imsi: &[u8]) {
        if let Some(inbox) = self.lock().by_imsi.get(imsi) {
            let _ = inbox.send(ToUe::Paged { by_imsi: true });
        }
    }

    /// All connections are gone.
    pub(super) fn all_gone(&self, why: &str) {
        let mut tables = self.lock();
        tables.lost.clear();
        for (_, inbox) in tables.by_id.drain() {
            let _ = inbox.send(ToUe::Gone(why.to_owned()));
        }
    }

    /// One is.
    pub(super) fn gone(&self, enb: u32, why: &str) {
        let mut tables = self.lock();
        tables.lost.remove(&enb);
        if let Some(inbox) = tables.by_id.remove(&enb) {
            let _ = inbox.send(ToUe::Gone(why.to_owned()));
        }
    }
}

/// Two digits an octet, the first in the low half, filled with 1111 (TS 36.413 §9.2.3.11, TS 29.002).
fn tbcd(imsi: Imsi) -> Vec<u8> {
    let digits: Vec<u8> = imsi.to_string().bytes().map(|digit| digit - b'0').collect();
    digits.chunks(2).map(|pair| pair[0] | pair.get(1).map_or(0xf0, |high| high << 4)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_has_an_identifier_of_its_own_and_is_found_by_it() {
        let registry = Registry::default();
        let (inbox, mut mail) = mpsc::unbounded_channel();
        let (a, b) = (registry.open(&inbox).unwrap(), registry.open(&inbox).unwrap());
        assert_ne!(a, b);
        assert!(registry.to(a, ToUe::Gone(String::new())));
        registry.close(a);
        assert!(!registry.to(a, ToUe::Gone(String::new())));
        registry.all_gone("lost");
        assert!(!registry.to(b, ToUe::Gone(String::new())));
        assert!(matches!(mail.try_recv(), Ok(ToUe::Gone(_))));
    }

    #[test]
    fn a_connection_without_its_ue_keeps_its_identifier_until_it_is_released() {
        let registry = Registry::default();
        let (inbox, _mail) = mpsc::unbounded_channel();
        let (lost, reset) = (registry.open(&inbox).unwrap(), registry.open(&inbox).unwrap());
        registry.lose(lost);
        registry.lose(reset);
        assert!(registry.is_lost(lost) && !registry.to(lost, ToUe::Gone(String::new())));
        registry.lock().next = lost;
        assert!(![lost, reset].contains(&registry.open(&inbox).unwrap()));
        registry.forget_lost(lost);
        registry.gone(reset, "RESET");
        assert!(!registry.is_lost(lost) && !registry.is_lost(reset));
        // What there never was is not lost either.
        registry.lose(77);
        assert!(!registry.is_lost(77));
    }

    #[test]
    fn an_imsi_is_paged_as_ts_29_002_writes_it() {
        let imsi: Imsi = "999710000000001".parse().unwrap();
        assert_eq!(hex::encode(tbcd(imsi)), "99790100000000f1");
        let registry = Registry::default();
        let (inbox, mut mail) = mpsc::unbounded_channel();
        registry.known(imsi, Some((1, 7)), &inbox);
        registry.page_imsi(&tbcd(imsi));
        assert!(matches!(mail.try_recv(), Ok(ToUe::Paged { by_imsi: true })));
        registry.page_tmsi((1, 7));
        assert!(matches!(mail.try_recv(), Ok(ToUe::Paged { by_imsi: false })));
        registry.unknown(imsi, Some((1, 7)));
        registry.page_tmsi((1, 7));
        assert!(mail.try_recv().is_err());
    }
}
