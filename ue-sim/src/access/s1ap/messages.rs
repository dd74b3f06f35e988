//! What an eNB writes and reads of S1AP, TS 36.413 §9.1.

mod faults;
mod read;
mod write;

use std::net::IpAddr;
use std::time::Duration;

use oxirush_s1ap::s1ap::Cause;

pub(super) use faults::Answer;
pub(super) use read::{Read, Unreadable, read};
pub(super) use write::*;

/// The two identifiers of a UE-associated logical S1 connection, TS 36.413 §3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Ids {
    /// MME UE S1AP ID.
    pub(super) mme: u32,
    /// eNB UE S1AP ID.
    pub(super) enb: u32,
}

/// KeNB as the MME gives it (Security Key, TS 36.413 §9.2.1.41). Debug does not show it, and it is wiped.
#[derive(Clone, PartialEq, Eq, zeroize::ZeroizeOnDrop)]
pub(super) struct MmeKey([u8; 32]);

impl MmeKey {
    /// Whether it is this one, compared in constant time.
    pub(super) fn is(&self, other: &[u8; 32]) -> bool {
        subtle::ConstantTimeEq::ct_eq(&self.0[..], &other[..]).into()
    }
}

impl std::fmt::Debug for MmeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MmeKey(hidden)")
    }
}

/// A bearer that the MME wants set up (E-RAB, TS 36.413 §9.2.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erab {
    /// E-RAB identity; the EPS bearer identity's number.
    pub id: u8,
    /// QoS class identifier.
    pub qci: u8,
    /// Where the serving gateway takes the UE's packets.
    pub address: IpAddr,
    /// Its tunnel endpoint identifier.
    pub teid: u32,
    /// The NAS message that comes with it.
    pub nas: Option<Vec<u8>>,
}

/// What an MME sends. `not`: bearers that cannot be set up, and why.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum FromMme {
    SetupResponse {
        name: String,
        gummeis: Vec<String>,
    },
    SetupFailure {
        cause: String,
        wait: Option<Duration>,
    },
    DownlinkNas {
        ids: Ids,
        nas: Vec<u8>,
    },
    ContextSetup {
        ids: Ids,
        erabs: Vec<Erab>,
        not: Vec<(u8, Cause)>,
        /// KeNB, TS 33.401 §7.2.8.1.
        key: Option<MmeKey>,
        /// UE-AMBR down and up, bit/s.
        ambr: Option<(u64, u64)>,
    },
    ContextModification {
        ids: Ids,
    },
    ContextRelease {
        mme: u32,
        enb: Option<u32>,
        cause: String,
    },
    ErabSetup {
        ids: Ids,
        erabs: Vec<Erab>,
        not: Vec<(u8, Cause)>,
    },
    ErabModify {
        ids: Ids,
        erabs: Vec<(u8, Vec<u8>)>,
    },
    ErabRelease {
        ids: Ids,
        erabs: Vec<u8>,
        nas: Option<Vec<u8>>,
    },
    PagingByTmsi {
        mmec: u8,
        m_tmsi: u32,
    },
    PagingByImsi(Vec<u8>),
    Reset {
        /// `None`: everything.
        part: Option<Vec<(Option<u32>, Option<u32>)>>,
        cause: String,
    },
    ResetAcknowledged,
    OverloadStart,
    OverloadStop,
    ErrorIndication {
        mme: Option<u32>,
        enb: Option<u32>,
        cause: String,
    },
    MmeConfigurationUpdate,
    /// Something that this eNB does not do, and what it has to say to that (§10.3.4.1).
    Other {
        name: String,
        answer: Option<Answer>,
    },
}

/// A cause in words, TS 36.413 §9.2.1.3.
#[must_use]
pub fn cause_words(cause: &Cause) -> String {
    let (group, name) = match cause {
        Cause::radioNetwork(cause) => ("radio network", format!("{cause:?}")),
        Cause::transport(cause) => ("transport", format!("{cause:?}")),
        Cause::nas(cause) => ("NAS", format!("{cause:?}")),
        Cause::protocol(cause) => ("protocol", format!("{cause:?}")),
        Cause::misc(cause) => ("miscellaneous", format!("{cause:?}")),
        other => ("another kind", format!("{other:?}")),
    };
    format!("{group}: {}", name.replace('_', " "))
}
