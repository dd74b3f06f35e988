//! What a change means to the serving node: CLR when service ends, IDR when its data changes
//! (TS 29.272 §5.2.1.2, §5.2.2.1).

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

/// What follows from changing a credential.
pub(super) fn of_patch(
    before: &Credential,
    patch: &CredentialPatch,
    registrations: &[Registration],
    now: Timestamp,
) -> Vec<Outgoing> {
    let state = patch.state.unwrap_or(before.state);
    let expires_at = patch.expires_at.unwrap_or(before.expires_at);
    if state != CredentialState::Active || expires_at.is_some_and(|end| end <= now) {
        let was = before.state == CredentialState::Active && before.expires_at.is_none_or(|end| end > now);
        // Whom it was taken from before, a message is queued or sent for.
        return if was { cancel(registrations, false) } else { Vec::new() };
    }
    // What Subscription-Data is made of (TS 29.272 §7.3.2): APNs and AMBR by the profile, MSISDN, and the
    // Served-Party-IP-Address.
    let changed = patch.profile.as_ref().is_some_and(|profile| *profile != before.profile)
        || patch.msisdn.as_ref().is_some_and(|msisdn| *msisdn != before.msisdn)
        || patch.address.is_some_and(|address| address != before.address);
    if changed { insert(registrations) } else { Vec::new() }
}

/// What follows from changing a profile: those it no longer allows where they are lose their registration, the
/// others are told the new data, if that has changed.
pub(super) fn of_profile(before: &Profile, after: &Profile, registrations: &[Registration]) -> Vec<Outgoing> {
    let (stay, go): (Vec<_>, Vec<_>) = registrations.iter().cloned().partition(|r| {
        after.eps && after.allowed_plmns.allows(&r.visited_plmn) && after.allowed_rats.allows(&r.rat)
    });
    let told = subscription::differs(before, after);
    let mut send = cancel(&go, false);
    if told {
        send.extend(insert(&stay));
    }
    send.extend(delete(before, after, &stay));
    send
}

/// DSRs for what the new profile does not have, to be sent after the IDRs.
fn delete(before: &Profile, after: &Profile, registrations: &[Registration]) -> Vec<Outgoing> {
    let Some(Withdrawal { flags, edrx_rats, external_identifiers }) = dsr::withdrawn(before, after) else {
        return Vec::new();
    };
    let message = OutgoingMessage::Delete { dsr_flags: flags.0, edrx_rats, external_identifiers };
    registrations.iter().filter(|r| !r.purged).map(|r| to(r, message.clone())).collect()
}

fn insert(registrations: &[Registration]) -> Vec<Outgoing> {
    registrations.iter().filter(|r| !r.purged).map(|r| to(r, OutgoingMessage::Insert)).collect()
}

fn to(registration: &Registration, message: OutgoingMessage) -> Outgoing {
    Outgoing { imsi: registration.imsi, node: registration.node.clone(), message }
}
