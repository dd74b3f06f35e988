//! Whether a subscriber may be served at all: what AIR and ULR check alike.

use schemas::identity::Plmn;

use super::{Cause, Causes, Refused};
use crate::model::{CredentialState, Rat, Snapshot, Timestamp};

/// What of the request matters.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Visited-PLMN-Id.
    pub visited_plmn: Plmn,
    /// Radio access technologies, of which one must be allowed.
    pub rats: &'a [Rat],
    /// Whether it may begin an attach, which the attach budget has to pay for.
    pub attach: bool,
}

/// The subscriber, if it may be served.
///
/// The order is from the credential to the place: what is wrong with the credential itself is said first,
/// since no other network or cell would help (TS 29.272 §5.2.1.1.3, §5.2.3.1.3).
///
/// # Errors
/// The first cause against it.
pub fn admit<'s>(
    subscriber: Option<&'s Snapshot>,
    wanted: Wanted<'_>,
    now: Timestamp,
    causes: &Causes,
) -> Result<&'s Snapshot, Refused> {
    let subscriber = subscriber.ok_or_else(|| causes.refuse(Cause::Unknown))?;
    match against(subscriber, wanted, now) {
        None => Ok(subscriber),
        Some(cause) => Err(causes.refuse(cause)),
    }
}

/// The first cause against serving the subscriber, if there is one.
pub(super) fn against(subscriber: &Snapshot, wanted: Wanted<'_>, now: Timestamp) -> Option<Cause> {
    let (credential, profile) = (&*subscriber.credential, &*subscriber.profile);
    match credential.state {
        CredentialState::Active => {}
        CredentialState::Blocked => return Some(Cause::Blocked),
        CredentialState::Disabled => return Some(Cause::Disabled),
    }
    if credential.expires_at.is_some_and(|end| end <= now) {
        return Some(Cause::Expired);
    }
    if wanted.attach && subscriber.attach_budget().is_some_and(|budget| credential.attaches >= budget) {
        return Some(Cause::Exhausted);
    }
    if !profile.eps || profile.apns.is_empty() {
        return Some(Cause::NoEpsSubscription);
    }
    if !profile.allowed_plmns.allows(&wanted.visited_plmn) {
        return Some(Cause::RoamingNotAllowed);
    }
    if !wanted.rats.iter().any(|rat| profile.allowed_rats.allows(rat)) {
        return Some(Cause::RatNotAllowed);
    }
    None
}
