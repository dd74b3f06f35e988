//! Between the model and what the API shows of it.

use schemas::rest as shown;
use time::OffsetDateTime;

use crate::auc::amf::Amf;
use crate::model::{
    AuthMaterial, Credential, CredentialState, IssuingMode, NodeKind, Registration, Timestamp,
};
use crate::store::{AuditEntry, Batch, PooledVector, Queued, StoredEvent, Waiting};

/// Pairs of enums that have the same variants, both ways.
macro_rules! same {
    ($($model:ident => $shown:ident { $($variant:ident),+ })+) => {$(
        impl From<$model> for shown::$shown {
            fn from(value: $model) -> Self {
                match value { $($model::$variant => Self::$variant),+ }
            }
        }
        impl From<shown::$shown> for $model {
            fn from(value: shown::$shown) -> Self {
                match value { $(shown::$shown::$variant => Self::$variant),+ }
            }
        }
    )+};
}

same! {
    CredentialState => CredentialState { Active, Blocked, Disabled }
    IssuingMode => IssuingMode { Generated, Supplier, Subscriber }
    NodeKind => NodeKind { Mme, Sgsn }
}

/// A point in time as RFC 3339 can write it: years 0 to 9999.
pub(super) fn instant(at: Timestamp) -> OffsetDateTime {
    const FIRST: i64 = -62_167_219_200;
    const LAST: i64 = 253_402_300_799;
    OffsetDateTime::from_unix_timestamp(at.0.clamp(FIRST, LAST)).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// The other way; fractions of a second are cut off.
pub(super) fn timestamp(at: OffsetDateTime) -> Timestamp {
    Timestamp(at.unix_timestamp())
}

impl From<Credential> for shown::Credential {
    fn from(c: Credential) -> Self {
        Self {
            imsi: c.imsi,
            state: c.state.into(),
            profile: c.profile,
            pool: matches!(c.auth, AuthMaterial::Pool),
            amf: hex::encode(c.amf),
            ind_bitlen: c.ind_bitlen,
            expires_at: c.expires_at.map(instant),
            attach_budget: c.attach_budget,
            attaches: c.attaches,
            address: c.address,
            msisdn: c.msisdn,
            overrides: c.overrides,
            mode: c.mode.into(),
            batch: c.batch,
            created_at: instant(c.created_at),
            updated_at: instant(c.updated_at),
            version: c.version,
        }
    }
}

/// Four hexadecimal digits as an AMF.
pub(super) fn amf(text: &str) -> Option<[u8; 2]> {
    let mut octets = [0; 2];
    hex::decode_to_slice(text, &mut octets).ok()?;
    Some(Amf::new(octets).octets())
}

impl From<Registration> for shown::Registration {
    fn from(r: Registration) -> Self {
        Self {
            imsi: r.imsi,
            kind: r.kind.into(),
            host: r.node.host,
            realm: r.node.realm,
            visited_plmn: r.visited_plmn,
            rat: r.rat,
            address: r.address,
            imei: r.imei,
            registered_at: instant(r.registered_at),
            expires_at: instant(r.expires_at),
            purged: r.purged,
            sms_number: r.report.sms_number,
            ims_voice: r.report.ims_voice,
            srvcc: r.report.srvcc,
            features: r
                .report
                .features
                .map(|lists| lists.iter().map(|list| format!("{list:08x}")).collect())
                .unwrap_or_default(),
        }
    }
}

impl From<Waiting> for shown::Outgoing {
    fn from(w: Waiting) -> Self {
        let Queued { id, attempts, outgoing } = w.queued;
        Self {
            id,
            imsi: outgoing.imsi,
            command: outgoing.message.command().to_owned(),
            host: outgoing.node.host,
            realm: outgoing.node.realm,
            attempts,
            why: w.why,
            next_try: instant(w.due_at),
        }
    }
}

impl From<Batch> for shown::Batch {
    fn from(b: Batch) -> Self {
        Self {
            id: b.id,
            mode: b.mode.into(),
            first: b.first,
            count: b.count,
            done: b.done,
            profile: b.profile,
            party: b.party,
            created_at: instant(b.created_at),
        }
    }
}

impl From<StoredEvent> for shown::Event {
    fn from(e: StoredEvent) -> Self {
        Self { id: e.id, at: instant(e.at), kind: e.event.kind, imsi: e.event.imsi, detail: e.event.detail }
    }
}

impl From<AuditEntry> for shown::AuditEntry {
    fn from(e: AuditEntry) -> Self {
        Self {
            id: e.id,
            at: instant(e.at),
            who: e.who,
            action: e.action,
            target: e.target,
            outcome: e.outcome,
        }
    }
}

impl From<&PooledVector> for shown::Vector {
    fn from(v: &PooledVector) -> Self {
        Self {
            rand: hex::encode(v.rand),
            xres: hex::encode(&v.xres),
            autn: hex::encode(v.autn),
            kasme: hex::encode(v.kasme),
        }
    }
}
