//! Authentication information retrieval (TS 29.272 §5.2.3.1): what is to be made, and how it is answered.

use s6a::{
    app::{
        self, AuthenticationInfo, AuthenticationInformationAnswer, AuthenticationInformationRequest,
        RequestedVectors,
    },
    base::{AuthSessionState, Outcome},
    codec::{ResultCode, dictionary::s6a::*},
};
use schemas::identity::{Imsi, Plmn};

use super::{
    Cause, Causes, Refused,
    admission::{Wanted, admit, against},
    visited_plmn,
};
use crate::{
    auc::{
        resync::{Auts, ResynchronizationInfo},
        vector::{EutranVector, UtranVector},
    },
    model::{AuthMaterial, Rat, Snapshot, Timestamp},
    store::PooledVector,
};

/// Vectors of one kind in one answer, at most (TS 29.272 §5.2.3.1.3: "up to five").
pub const MAX_VECTORS: usize = 5;

// The RAT itself comes with the ULR; an AIR tells only of which family it is.
const EPS: &[Rat] = &[Rat::Eutran, Rat::EutranNbIot, Rat::LteM];
const LEGACY: &[Rat] = &[Rat::Utran, Rat::Geran];
const BOTH: &[Rat] = &[Rat::Eutran, Rat::EutranNbIot, Rat::LteM, Rat::Utran, Rat::Geran];

/// What an AIR is to be answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Whose.
    pub imsi: Imsi,
    /// Visited-PLMN-Id, which KASME is bound to.
    pub visited_plmn: Plmn,
    /// E-UTRAN vectors, 0 to 5.
    pub eutran: u32,
    /// UTRAN vectors, 0 to 5.
    pub utran: u32,
    /// The AUTS to verify first.
    pub resync: Option<ResynchronizationInfo>,
}

impl Plan {
    /// How many SEQs it takes: one a vector.
    #[must_use]
    pub fn seqs(&self) -> u32 {
        self.eutran + self.utran
    }
}

/// Decides about an AIR. The subscriber is the one that [`imsi`](super::imsi) of User-Name names;
/// `peer_max` is how many vectors of a kind the peer takes in one answer (Open5GS: 1, in general 5).
///
/// UTRAN vectors are for a USIM that an SGSN authenticates; there are no GERAN vectors, since every PCID is
/// a USIM's.
///
/// # Errors
/// Why there are no vectors.
pub fn decide(
    request: &AuthenticationInformationRequest<'_>,
    subscriber: Option<&Snapshot>,
    peer_max: u8,
    now: Timestamp,
    causes: &Causes,
) -> Result<Plan, Refused> {
    let eutran = request.requested_eutran_authentication_info.as_ref();
    let utran = request.requested_utran_geran_authentication_info.as_ref();
    if eutran.is_none() && utran.is_none() {
        // The example of what is missing is a group without members (RFC 6733 §7.5).
        return Err(Refused::new(ResultCode::MISSING_AVP.into(), "no kind of vector is requested")
            .with_failed(&REQUESTED_EUTRAN_AUTHENTICATION_INFO, &[]));
    }
    let resync = resync(eutran, utran)?;
    let visited_plmn = visited_plmn(request.visited_plmn_id)?;
    let rats = match (eutran, utran) {
        (Some(_), None) => EPS,
        (None, _) => LEGACY,
        (Some(_), Some(_)) => BOTH,
    };
    let subscriber = admit(subscriber, Wanted { visited_plmn, rats, attach: true }, now, causes)?;
    let plan = Plan {
        imsi: subscriber.credential.imsi,
        visited_plmn,
        eutran: count(eutran, peer_max),
        utran: count(utran, peer_max),
        resync,
    };
    // Without K there is neither a UTRAN vector nor an AUTS that could be verified.
    if subscriber.credential.auth == AuthMaterial::Pool && (plan.utran > 0 || plan.resync.is_some()) {
        return Err(causes.refuse(Cause::NoVectors));
    }
    Ok(plan)
}

/// Whether E-UTRAN vectors for `visited_plmn` may leave otherwise than in an AIA, as into the AV pool of
/// another ICF: what an AIR from there would be judged by.
///
/// # Errors
/// The cause against it.
pub fn may_have_vectors(subscriber: &Snapshot, visited_plmn: Plmn, now: Timestamp) -> Result<(), Cause> {
    match against(subscriber, Wanted { visited_plmn, rats: EPS, attach: true }, now) {
        None => Ok(()),
        Some(cause) => Err(cause),
    }
}

/// How many of a kind: what is asked for, one where no number is, never more than the peer takes.
fn count(asked: Option<&RequestedVectors>, peer_max: u8) -> u32 {
    let Some(asked) = asked else { return 0 };
    let most = u32::from(peer_max).clamp(1, MAX_VECTORS as u32);
    asked.number_of_requested_vectors.unwrap_or(1).clamp(1, most)
}

/// Re-Synchronization-Info, which belongs to one challenge: where both groups have one, it is the same.
fn resync(
    eutran: Option<&RequestedVectors>,
    utran: Option<&RequestedVectors>,
) -> Result<Option<ResynchronizationInfo>, Refused> {
    let of = |group: Option<&RequestedVectors>| group.and_then(|group| group.re_synchronization_info);
    let info = match (of(eutran), of(utran)) {
        (Some(one), Some(other)) if one != other => {
            return Err(Refused::new(
                ResultCode::CONTRADICTING_AVPS.into(),
                "two different Re-Synchronization-Infos in one request",
            )
            .with_failed(&RE_SYNCHRONIZATION_INFO, &one.0)
            .with_failed(&RE_SYNCHRONIZATION_INFO, &other.0));
        }
        (one, other) => one.or(other),
    };
    Ok(info.map(|info| ResynchronizationInfo { rand: info.rand(), auts: Auts(info.auts()) }))
}

/// The vectors of one answer, ready to be written. Nothing is allocated; more than five of a kind are left out.
#[derive(Debug, Default)]
pub struct Vectors<'v> {
    eutran: [app::EutranVector<'v>; MAX_VECTORS],
    eutrans: usize,
    utran: [app::UtranVector<'v>; MAX_VECTORS],
    utrans: usize,
}

impl<'v> Vectors<'v> {
    /// Vectors that were computed, lowest SEQ first: Item-Number gives the order in which they are to be used
    /// where there are several (TS 29.272 §7.3.23).
    #[must_use]
    pub fn computed(eutran: &'v [EutranVector], utran: &'v [UtranVector]) -> Self {
        let mut vectors = Self::default();
        for (at, (slot, vector)) in vectors.eutran.iter_mut().zip(eutran).enumerate() {
            let EutranVector { rand, xres, autn, kasme } = vector;
            *slot = app::EutranVector {
                item_number: item(at, eutran.len()),
                rand: *rand,
                xres,
                autn: *autn,
                kasme: *kasme,
            };
        }
        for (at, (slot, vector)) in vectors.utran.iter_mut().zip(utran).enumerate() {
            let UtranVector { rand, xres, autn, ck, ik } = vector;
            *slot = app::UtranVector {
                item_number: item(at, utran.len()),
                rand: *rand,
                xres,
                autn: *autn,
                confidentiality_key: *ck,
                integrity_key: *ik,
            };
        }
        vectors.eutrans = eutran.len().min(MAX_VECTORS);
        vectors.utrans = utran.len().min(MAX_VECTORS);
        vectors
    }

    /// Vectors from an AV pool, oldest first.
    #[must_use]
    pub fn pooled(pool: &'v [PooledVector]) -> Self {
        let mut vectors = Self { eutrans: pool.len().min(MAX_VECTORS), ..Self::default() };
        for (at, (slot, vector)) in vectors.eutran.iter_mut().zip(pool).enumerate() {
            let PooledVector { rand, xres, autn, kasme } = vector;
            *slot = app::EutranVector {
                item_number: item(at, pool.len()),
                rand: *rand,
                xres,
                autn: *autn,
                kasme: *kasme,
            };
        }
        vectors
    }

    /// The AIA; Session-Id, origin and Proxy-Info are the caller's to fill in.
    #[must_use]
    pub fn answer(&self) -> AuthenticationInformationAnswer<'_> {
        AuthenticationInformationAnswer {
            vendor_specific_application_id: Some(app::APPLICATION_ID),
            outcome: Outcome::SUCCESS,
            auth_session_state: AuthSessionState::NoStateMaintained,
            authentication_info: Some(AuthenticationInfo {
                eutran_vector: (&self.eutran[..self.eutrans]).into(),
                utran_vector: (&self.utran[..self.utrans]).into(),
                ..AuthenticationInfo::default()
            }),
            ..AuthenticationInformationAnswer::default()
        }
    }
}

fn item(at: usize, of: usize) -> Option<u32> {
    if of > 1 { u32::try_from(at + 1).ok() } else { None }
}

#[cfg(test)]
mod tests;
