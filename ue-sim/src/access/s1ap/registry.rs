//! Which UE a message of the MME is for: by the eNB's identifier of its connection, or by what it is paged by.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oxirush_s1ap::s1ap::Cause;
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
        not: Vec<(u8, Cause)>,
        key: Option<MmeKey>,
        ambr: Option<(u64, u64)>,
    },
    ContextModification(Ids),
    ErabSetup(Ids, Vec<Erab>, Vec<(u8, Cause)>),
    ErabModify(Ids, Vec<(u8, Vec<u8>)>),
    ErabRelease(Ids, Vec<u8>, Option<Vec<u8>>),
    Release(Ids, String),
    Paged {
        by_imsi: bool,
    },
    /// The connection is gone without a word: RESET, or the association is lost. Which, and why.
    Gone(u32, String),
}

impl ToUe {
    /// The eNB's identifier of the connection that it is about; `None`: it is about none.
    pub(super) fn enb(&self) -> Option<u32> {
        match self {
            Self::Gone(enb, _) => Some(*enb),
            other => other.ids().map(|ids| ids.enb),
        }
    }

    /// The connection that the MME means, if it names one.
    pub(super) fn ids(&self) -> Option<Ids> {
        match self {
            Self::Nas(ids, _)
            | Self::ContextSetup { ids, .. }
            | Self::ContextModification(ids)
            | Self::ErabSetup(ids, ..)
            | Self::ErabModify(ids, _)
            | Self::ErabRelease(ids, ..)
            | Self::Release(ids, _) => Some(*ids),
            Self::Paged { .. } | Self::Gone(..) => None,
        }
    }
}

/// So many messages of the MME wait for a UE that is busy with something else; more are dropped, or an MME that does not
/// stop would fill all memory.
const WAITING: usize = 256;

/// A UE's inbox.
#[derive(Debug, Clone)]
pub(super) struct Inbox {
    sender: mpsc::UnboundedSender<ToUe>,
    waiting: Arc<AtomicUsize>,
}

/// What is taken out of an inbox.
#[derive(Debug)]
pub(super) struct Mail {
    receiver: mpsc::UnboundedReceiver<ToUe>,
    waiting: Arc<AtomicUsize>,
}

/// A new inbox, and what is taken out of it.
pub(super) fn inbox() -> (Inbox, Mail) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    (Inbox { sender, waiting: waiting.clone() }, Mail { receiver, waiting })
}

impl Inbox {
    /// Puts in what the MME sends, if there is room.
    fn put(&self, what: ToUe) -> Handed {
        if self.waiting.load(Ordering::Relaxed) >= WAITING {
            return Handed::NoRoom;
        }
        self.put_surely(what)
    }

    /// Puts in what comes once a connection at most.
    fn put_surely(&self, what: ToUe) -> Handed {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if self.sender.send(what).is_ok() { Handed::Over } else { Handed::Nobody }
    }

    fn is(&self, other: &Self) -> bool {
        self.sender.same_channel(&other.sender)
    }
}

impl Mail {
    /// The next; `None`: nobody has the inbox any more.
    pub(super) async fn recv(&mut self) -> Option<ToUe> {
        let mail = self.receiver.recv().await;
        self.waiting.fetch_sub(usize::from(mail.is_some()), Ordering::Relaxed);
        mail
    }
}

/// What became of something for a UE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handed {
    /// It is in its inbox.
    Over,
    /// Its inbox is full.
    NoRoom,
    /// There is no such connection.
    Nobody,
}

/// A connection.
#[derive(Debug)]
struct Entry {
    inbox: Inbox,
    /// MME UE S1AP ID, once the MME has answered.
    mme: Option<u32>,
}

#[derive(Debug, Default)]
struct Tables {
    by_id: HashMap<u32, Entry>,
    /// eNB UE S1AP ID by MME UE S1AP ID.
    by_mme: HashMap<u32, u32>,
    /// Connections whose UE is lost and that the MME has not released yet.
    lost: HashSet<u32>,
    by_tmsi: HashMap<(u8, u32), Inbox>,
    by_imsi: HashMap<Vec<u8>, Inbox>,
    next: u32,
}

impl Tables {
    /// Takes a connection out.
    fn remove(&mut self, id: u32) -> Option<Inbox> {
        let Entry { inbox, mme } = self.by_id.remove(&id)?;
        if let Some(mme) = mme
            && self.by_mme.get(&mme) == Some(&id)
        {
            self.by_mme.remove(&mme);
        }
        Some(inbox)
    }
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
                tables.by_id.insert(id, Entry { inbox: inbox.clone(), mme: None });
                return Some(id);
            }
        }
        None
    }

    pub(super) fn close(&self, id: u32) {
        self.lock().remove(id);
    }

    /// The MME has given a connection its own identifier.
    pub(super) fn answered(&self, enb: u32, mme: u32) {
        let mut tables = self.lock();
        let Some(entry) = tables.by_id.get_mut(&enb) else { return };
        let before = entry.mme.replace(mme);
        if before == Some(mme) {
            return;
        }
        if let Some(before) = before
            && tables.by_mme.get(&before) == Some(&enb)
        {
            tables.by_mme.remove(&before);
        }
        tables.by_mme.insert(mme, enb);
    }

    /// The connection that the MME knows by this identifier.
    pub(super) fn of_mme(&self, mme: u32) -> Option<u32> {
        self.lock().by_mme.get(&mme).copied()
    }

    /// The UE of a connection is lost; the connection itself is the eNB's until the MME releases it (TS 36.413 §8.3.2).
    pub(super) fn lose(&self, id: u32) {
        let mut tables = self.lock();
        if tables.remove(id).is_some() {
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

    /// It cannot be paged any more by what it was known by. Where another UE is known so by now, that stays.
    pub(super) fn unknown(&self, imsi: Imsi, s_tmsi: Option<(u8, u32)>, inbox: &Inbox) {
        let mut tables = self.lock();
        let imsi = tbcd(imsi);
        if tables.by_imsi.get(&imsi).is_some_and(|there| there.is(inbox)) {
            tables.by_imsi.remove(&imsi);
        }
        if let Some(s_tmsi) = s_tmsi
            && tables.by_tmsi.get(&s_tmsi).is_some_and(|there| there.is(inbox))
        {
            tables.by_tmsi.remove(&s_tmsi);
        }
    }

    /// Hands over.
    pub(super) fn to(&self, enb: u32, what: ToUe) -> Handed {
        let inbox = self.lock().by_id.get(&enb).map(|entry| entry.inbox.clone());
        inbox.map_or(Handed::Nobody, |inbox| inbox.put(what))
    }

    pub(super) fn page_tmsi(&self, s_tmsi: (u8, u32)) {
        if let Some(inbox) = self.lock().by_tmsi.get(&s_tmsi) {
            let _ = inbox.put(ToUe::Paged { by_imsi: false });
        }
    }

    pub(super) fn page_imsi(&self, imsi: &[u8]) {
        if let Some(inbox) = self.lock().by_imsi.get(imsi) {
            let _ = inbox.put(ToUe::Paged { by_imsi: true });
        }
    }

    /// All connections are gone.
    pub(super) fn all_gone(&self, why: &str) {
        let mut tables = self.lock();
        tables.lost.clear();
        tables.by_mme.clear();
        for (enb, Entry { inbox, .. }) in tables.by_id.drain() {
            let _ = inbox.put_surely(ToUe::Gone(enb, why.to_owned()));
        }
    }

    /// One is.
    pub(super) fn gone(&self, enb: u32, why: &str) {
        let mut tables = self.lock();
        tables.lost.remove(&enb);
        if let Some(inbox) = tables.remove(enb) {
            let _ = inbox.put_surely(ToUe::Gone(enb, why.to_owned()));
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

    fn nas(enb: u32) -> ToUe {
        ToUe::Nas(Ids { mme: 1, enb }, Vec::new())
    }

    #[test]
    fn a_connection_has_an_identifier_of_its_own_and_is_found_by_it() {
        let registry = Registry::default();
        let (inbox, mut mail) = inbox();
        let (a, b) = (registry.open(&inbox).unwrap(), registry.open(&inbox).unwrap());
        assert_ne!(a, b);
        assert_eq!(registry.to(a, nas(a)), Handed::Over);
        registry.close(a);
        assert_eq!(registry.to(a, nas(a)), Handed::Nobody);
        registry.all_gone("lost");
        assert_eq!(registry.to(b, nas(b)), Handed::Nobody);
        assert!(matches!(mail.receiver.try_recv(), Ok(ToUe::Nas(..))));
        assert!(matches!(mail.receiver.try_recv(), Ok(ToUe::Gone(enb, _)) if enb == b));
    }

    #[test]
    fn a_connection_without_its_ue_keeps_its_identifier_until_it_is_released() {
        let registry = Registry::default();
        let (inbox, _mail) = inbox();
        let (lost, reset) = (registry.open(&inbox).unwrap(), registry.open(&inbox).unwrap());
        registry.lose(lost);
        registry.lose(reset);
        assert!(registry.is_lost(lost) && registry.to(lost, nas(lost)) == Handed::Nobody);
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
        let (inbox, mut mail) = inbox();
        registry.known(imsi, Some((1, 7)), &inbox);
        registry.page_imsi(&tbcd(imsi));
        assert!(matches!(mail.receiver.try_recv(), Ok(ToUe::Paged { by_imsi: true })));
        registry.page_tmsi((1, 7));
        assert!(matches!(mail.receiver.try_recv(), Ok(ToUe::Paged { by_imsi: false })));
        registry.unknown(imsi, Some((1, 7)), &inbox);
        registry.page_tmsi((1, 7));
        assert!(mail.receiver.try_recv().is_err());
    }

    /// A subscriber's device is switched on again before the old one is dropped, or an MME gives a GUTI twice.
    #[test]
    fn the_next_ue_that_is_known_so_is_paged_although_the_last_is_dropped() {
        let imsi: Imsi = "999710000000001".parse().unwrap();
        let registry = Registry::default();
        let ((last, _last), (next, mut mail)) = (inbox(), inbox());
        registry.known(imsi, Some((1, 7)), &last);
        registry.known(imsi, Some((1, 7)), &next);
        registry.unknown(imsi, Some((1, 7)), &last);
        registry.page_tmsi((1, 7));
        assert!(matches!(mail.receiver.try_recv(), Ok(ToUe::Paged { by_imsi: false })));
        registry.page_imsi(&tbcd(imsi));
        assert!(matches!(mail.receiver.try_recv(), Ok(ToUe::Paged { by_imsi: true })));
    }

    #[tokio::test]
    async fn an_mme_that_does_not_stop_fills_no_memory() {
        let registry = Registry::default();
        let (inbox, mut mail) = inbox();
        let id = registry.open(&inbox).unwrap();
        let handed = (0..10_000).filter(|_| registry.to(id, nas(id)) == Handed::Over).count();
        assert_eq!(handed, WAITING);
        assert_eq!(registry.to(id, nas(id)), Handed::NoRoom);
        // That it is gone is heard all the same, and what is taken out makes room.
        registry.gone(id, "RESET");
        for _ in 0..WAITING {
            assert!(matches!(mail.recv().await, Some(ToUe::Nas(..))));
        }
        assert!(matches!(mail.recv().await, Some(ToUe::Gone(..))));
        let id = registry.open(&inbox).unwrap();
        assert_eq!(registry.to(id, nas(id)), Handed::Over);
    }

    #[test]
    fn a_connection_is_found_by_the_mmes_identifier_as_long_as_it_is_there() {
        let registry = Registry::default();
        let (inbox, _mail) = inbox();
        let (a, b) = (registry.open(&inbox).unwrap(), registry.open(&inbox).unwrap());
        registry.answered(a, 7);
        registry.answered(b, 8);
        assert_eq!((registry.of_mme(7), registry.of_mme(8), registry.of_mme(9)), (Some(a), Some(b), None));
        // An MME that gives an identifier twice: the last that has it.
        registry.answered(b, 7);
        assert_eq!((registry.of_mme(7), registry.of_mme(8)), (Some(b), None));
        registry.close(a);
        assert_eq!(registry.of_mme(7), Some(b));
        registry.all_gone("lost");
        assert_eq!(registry.of_mme(7), None);
    }
}
