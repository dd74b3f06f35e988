//! A provisional credential and what is known of it when a request is decided.

use std::{net::IpAddr, sync::Arc};

use schemas::{identity::Imsi, secret::Key128, subscription::Overrides};
use serde::{Deserialize, Serialize};

use super::{NodeKind, Profile, Registration, Timestamp};

/// What vectors are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthMaterial {
    /// K and OPc are here: vectors are computed (TS 33.102 §6.3.2).
    Keys {
        /// Subscriber key K.
        k: Key128,
        /// OPc, already derived from OP where OP was given (TS 35.206 §5.1).
        opc: Key128,
    },
    /// K never reached us: ready vectors are handed out until they run dry (R3).
    Pool,
}

/// Whether a credential may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialState {
    /// Vectors are issued.
    Active,
    /// Set aside for a while, by a person; can become active again.
    Blocked,
    /// Taken out of use for good.
    Disabled,
}

/// How a credential came to be, the seed's section 3.1 (R1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IssuingMode {
    /// a: the CHTIF generated it and handed it to the supplier to embed.
    Generated,
    /// b: the supplier generated and embedded it, and sent it afterwards.
    Supplier,
    /// c: as b, but it came through the subscriber.
    Subscriber,
}

/// The manufacturing triple of the seed's section 3.1 (R2): where a device without 3GPP access calls home,
/// and what it says there. The password never prints.
#[derive(Clone, PartialEq, Eq)]
pub struct CallHomeTriple {
    /// Call-home URL, https.
    pub url: String,
    /// User name.
    pub user: String,
    /// Password, 128 random bits as text.
    pub password: zeroize::Zeroizing<String>,
}

impl std::fmt::Debug for CallHomeTriple {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CallHomeTriple({} at {})", self.user, self.url)
    }
}

/// One provisional credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The PCID.
    pub imsi: Imsi,
    /// Keys, or a pool of ready vectors.
    pub auth: AuthMaterial,
    /// Authentication Management Field, TS 33.102 annex H; the separation bit is set per vector.
    pub amf: [u8; 2],
    /// Low bits of SQN that hold IND, TS 33.102 C.1.1.1: 5 unless the USIM was made otherwise.
    pub ind_bitlen: u8,
    /// Whether it may be used.
    pub state: CredentialState,
    /// Name of its profile.
    pub profile: String,
    /// No vectors from here on.
    pub expires_at: Option<Timestamp>,
    /// How many attaches it is good for; `None` for the profile's, then without limit.
    pub attach_budget: Option<u32>,
    /// Attaches that a location update has completed.
    pub attaches: u32,
    /// Address assigned to it, sent as Served-Party-IP-Address (TS 29.272 §7.3.35).
    pub address: Option<IpAddr>,
    /// The call-home triple embedded beside it, where one was issued (R2). At rest it is sealed as K is.
    pub triple: Option<CallHomeTriple>,
    /// MSISDN, digits; many provisional credentials have none.
    pub msisdn: Option<String>,
    /// What it has otherwise than its profile.
    pub overrides: Overrides,
    /// How it came to be.
    pub mode: IssuingMode,
    /// Batch that it was issued or imported in.
    pub batch: Option<String>,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Counts changes; the ETag of its REST resource.
    pub version: i64,
}

/// All that a procedure needs to decide about one subscriber, as of one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The credential.
    pub credential: Arc<Credential>,
    /// Its profile, with its overrides.
    pub profile: Arc<Profile>,
    /// Its registration with an MME, if there is one that has not expired or been purged.
    pub registration: Option<Arc<Registration>>,
    /// The same with an SGSN: the two are kept apart (TS 29.272 §5.2.1.1.3).
    pub sgsn: Option<Arc<Registration>>,
}

impl Credential {
    /// Its profile with its overrides. Where they no longer go together, since the profile has changed, it is the
    /// profile as it is, and the log says so.
    #[must_use]
    pub fn effective(&self, profile: Arc<Profile>) -> Arc<Profile> {
        if self.overrides.is_empty() {
            return profile;
        }
        match self.overrides.merged(&profile) {
            Ok(merged) => Arc::new(merged),
            Err(wrong) => {
                let first =
                    wrong.first().map(|it| format!("{}: {}", it.pointer, it.detail)).unwrap_or_default();
                tracing::warn!(imsi = %self.imsi, profile = profile.name, wrong = first,
                    "the overrides do not go with the profile any more, and are left out");
                profile
            }
        }
    }
}

impl Snapshot {
    /// Its registration with a node of this kind.
    #[must_use]
    pub fn registered(&self, kind: NodeKind) -> Option<&Arc<Registration>> {
        match kind {
            NodeKind::Mme => self.registration.as_ref(),
            NodeKind::Sgsn => self.sgsn.as_ref(),
        }
    }

    /// The place of its registration with a node of this kind.
    pub fn registered_mut(&mut self, kind: NodeKind) -> &mut Option<Arc<Registration>> {
        match kind {
            NodeKind::Mme => &mut self.registration,
            NodeKind::Sgsn => &mut self.sgsn,
        }
    }

    /// Its registrations with a node of this name: a combined MME/SGSN has both.
    pub fn registered_with(&self, host: &str) -> impl Iterator<Item = &Arc<Registration>> {
        [&self.registration, &self.sgsn].into_iter().flatten().filter(move |it| it.node.is(host))
    }

    /// The attaches it is good for in all: its own budget, else the profile's; `None` for no limit.
    #[must_use]
    pub fn attach_budget(&self) -> Option<u32> {
        self.credential.attach_budget.or(self.profile.attach_budget)
    }
}
