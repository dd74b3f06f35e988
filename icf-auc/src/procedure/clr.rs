//! Cancel location (TS 29.272 §5.2.1.2): what is sent to a serving node that no longer serves.

use s6a::app::{APPLICATION_ID, CancelLocationRequest, CancellationType, ClrFlags};

use crate::{
    model::{NodeKind, Registration},
    store::{Outgoing, OutgoingMessage},
};

/// The CLR of these AVPs; Session-Id, origin, destination and User-Name are the caller's to fill in. A
/// Cancellation-Type that there is not counts as MME_UPDATE_PROCEDURE, which does the UE the least harm.
#[must_use]
pub fn request(cancellation_type: u32, clr_flags: Option<u32>) -> CancelLocationRequest<'static> {
    let known = CancellationType::ALL.iter().copied().find(|known| *known as u32 == cancellation_type);
    CancelLocationRequest {
        vendor_specific_application_id: Some(APPLICATION_ID),
        cancellation_type: known.unwrap_or_default(),
        clr_flags: clr_flags.map(ClrFlags),
        ..CancelLocationRequest::default()
    }
}

/// To a node of this kind that another has taken over from.
#[must_use]
pub fn taken_over(kind: NodeKind) -> OutgoingMessage {
    let kind = match kind {
        NodeKind::Mme => CancellationType::MmeUpdateProcedure,
        NodeKind::Sgsn => CancellationType::SgsnUpdateProcedure,
    };
    cancel(kind, None)
}

/// To the node of the other kind, from which the UE has gone with an initial attach.
#[must_use]
pub fn initial_attach() -> OutgoingMessage {
    cancel(CancellationType::InitialAttachProcedure, None)
}

/// To the serving node of a subscription that has ended. With `reattach` the UE is told to attach again at
/// once: it does so with another IMSI, if it was given one meanwhile.
#[must_use]
pub fn withdrawn(registration: &Registration, reattach: bool) -> Outgoing {
    let flags = if reattach { Some(ClrFlags::REATTACH_REQUIRED) } else { None };
    let message = cancel(CancellationType::SubscriptionWithdrawal, flags);
    Outgoing { imsi: registration.imsi, node: registration.node.clone(), message }
}

fn cancel(kind: CancellationType, flags: Option<ClrFlags>) -> OutgoingMessage {
    OutgoingMessage::Cancel { cancellation_type: kind as u32, clr_flags: flags.map(|flags| flags.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procedure::fixture::registered;

    fn sent(message: OutgoingMessage) -> (u32, Option<u32>) {
        let OutgoingMessage::Cancel { cancellation_type, clr_flags } = message else { panic!("a CLR") };
        (cancellation_type, clr_flags)
    }

    #[test]
    fn cancellation_types_are_those_of_29_272() {
        let mme = registered(NodeKind::Mme, "mme.example").registration.unwrap();
        assert_eq!(sent(taken_over(NodeKind::Mme)), (0, None));
        assert_eq!(sent(taken_over(NodeKind::Sgsn)), (1, None));
        assert_eq!(sent(initial_attach()), (4, None));
        assert_eq!(sent(withdrawn(&mme, false).message), (2, None));
        assert_eq!(sent(withdrawn(&mme, true).message), (2, Some(0b10)));
        assert_eq!(withdrawn(&mme, true).node.host, "mme.example");
    }

    #[test]
    fn the_request_has_what_open5gs_needs() {
        let request = request(2, Some(2));
        assert_eq!(request.cancellation_type, CancellationType::SubscriptionWithdrawal);
        assert_eq!(request.clr_flags, Some(ClrFlags::REATTACH_REQUIRED));
        assert_eq!(request.vendor_specific_application_id, Some(APPLICATION_ID));
        assert_eq!(super::request(99, None).cancellation_type, CancellationType::MmeUpdateProcedure);
    }
}
