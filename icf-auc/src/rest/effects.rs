//! What a change means to the serving node: CLR when service ends, IDR when its data changes
//! (TS 29.272 §5.2.1.2, §5.2.2.1).

use s6a::app::DsrFlags;

use crate::model::{Credential, CredentialState, NodeKind, Profile, Registration, Timestamp};
use crate::procedure::{
    dsr::{self, Withdrawal},
    subscription,
};
use crate::store::{CredentialPatch, Outgoing, OutgoingMessage};

/// Cancellation-Type SUBSCRIPTION_WITHDRAWAL, TS 29.272 §7.3.24.
const SUBSCRIPTION_WITHDRAWAL: u32 = 2;
/// CLR-Flags bit 0, S6a/S6d-Indicator: the node is registered as MME (TS 29.272 §7.3.152).
const S6A_S6D_INDICATOR: u32 = 1;
/// CLR-Flags bit 1, Reattach-Required (TS 29.272 §7.3.152).
const REATTACH_REQUIRED: u32 = 1 << 1;

/// Cancels each registration; with `reattach` the UE is told to attach again at once.
pub(super) fn cancel(registrations: &[Registration], reattach: bool) -> Vec<Outgoing> {
    let message = |kind: NodeKind| OutgoingMessage::Cancel {
        cancellation_type: SUBSCRIPTION_WITHDRAWAL,
        clr_flags: reattach.then_some(match kind {
            NodeKind::Mme => S6A_S6D_INDICATOR | REATTACH_REQUIRED,
            NodeKind::Sgsn => REATTACH_REQUIRED,
        }),
    };
    registrations.iter().map(|r| to(r, message(r.kind))).collect()
}

/// A change of a credential, and its profile before and after, overrides included.
pub(super) struct Change<'a> {
    pub(super) before: &'a Credential,
    pub(super) patch: &'a CredentialPatch,
    pub(super) old: &'a Profile,
    pub(super) new: &'a Profile,
}

/// What follows from changing a credential.
pub(super) fn of_patch(change: &Change<'_>, registrations: &[Registration], now: Timestamp) -> Vec<Outgoing> {
    let Change { before, patch, old, new } = *change;
    let state = patch.state.unwrap_or(before.state);
    let expires_at = patch.expires_at.unwrap_or(before.expires_at);
    if state != CredentialState::Active || expires_at.is_some_and(|end| end <= now) {
        let was = before.state == CredentialState::Active && before.expires_at.is_none_or(|end| end > now);
        // Whom it was taken from before, a message is queued or sent for.
        return if was { cancel(registrations, false) } else { Vec::new() };
    }
    // What Subscription-Data is made of (TS 29.272 §7.3.2) besides the profile: MSISDN, and Served-Party-IP-Address.
    let other_number = patch.msisdn.as_ref().is_some_and(|msisdn| *msisdn != before.msisdn);
    let told = patch.profile.as_ref().is_some_and(|profile| *profile != before.profile)
        || other_number
        || patch.address.is_some_and(|address| address != before.address);
    let mut send = of_change(old, new, told, registrations);
    if before.msisdn.is_some() && patch.msisdn == Some(None) {
        let message = Withdrawal { flags: DsrFlags::MSISDN, ..Withdrawal::default() };
        send.extend(delete(message, registrations));
    }
    send
}

/// What follows from changing a profile: those it no longer allows where they are lose their registration, the
/// others are told the new data, if that has changed.
pub(super) fn of_profile(before: &Profile, after: &Profile, registrations: &[Registration]) -> Vec<Outgoing> {
    of_change(before, after, false, registrations)
}

/// As [`of_profile`]; with `told`, something besides the profile has changed that serving nodes have to be told.
fn of_change(before: &Profile, after: &Profile, told: bool, registrations: &[Registration]) -> Vec<Outgoing> {
    let (stay, go): (Vec<_>, Vec<_>) = registrations.iter().cloned().partition(|r| {
        after.eps && after.allowed_plmns.allows(&r.visited_plmn) && after.allowed_rats.allows(&r.rat)
    });
    let mut send = cancel(&go, false);
    if told || subscription::differs(before, after) {
        send.extend(insert(&stay));
    }
    if let Some(withdrawal) = dsr::withdrawn(before, after) {
        send.extend(delete(withdrawal, &stay));
    }
    send
}

/// DSRs for what a subscriber no longer has, to be sent after the IDRs.
fn delete(withdrawal: Withdrawal, registrations: &[Registration]) -> Vec<Outgoing> {
    let Withdrawal { flags, edrx_rats, external_identifiers } = withdrawal;
    let message = OutgoingMessage::Delete { dsr_flags: flags.0, edrx_rats, external_identifiers };
    registrations.iter().filter(|r| !r.purged).map(|r| to(r, message.clone())).collect()
}

fn insert(registrations: &[Registration]) -> Vec<Outgoing> {
    registrations.iter().filter(|r| !r.purged).map(|r| to(r, OutgoingMessage::Insert)).collect()
}

fn to(registration: &Registration, message: OutgoingMessage) -> Outgoing {
    Outgoing { imsi: registration.imsi, node: registration.node.clone(), message }
}
