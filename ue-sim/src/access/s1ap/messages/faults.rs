//! What is wrong with a message of the MME, and what the MME is told of it: TS 36.413 §10.3, §9.2.1.21.

use oxirush_s1ap::s1ap::{Cause, CauseProtocol, Criticality, S1APPDU};
use oxirush_s1ap::{Deviation, Error, S1apPduKind as Kind, ie};

use super::{Ids, write};

/// Something that the MME is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Answer {
    /// The eNB's identifier of the connection that it is about, on whose stream it goes; `None`: it concerns no UE.
    pub(in super::super) enb: Option<u32>,
    /// The message.
    pub(in super::super) octets: Vec<u8>,
}

/// What becomes of a message.
pub(super) enum Verdict {
    /// It is acted upon.
    Good,
    /// It is acted upon, and the MME told what was passed over in it: why, in words, and the answer.
    Notify(String, Option<Answer>),
    /// It is not acted upon.
    Reject(String, Option<Answer>),
}

/// Whether information elements that are unknown or missing keep the eNB from acting upon this message: each has a
/// criticality that says so (§10.3.4.2, §10.3.5). Neither their order nor their number is judged (§10.3.6): the first of
/// a kind counts.
pub(super) fn judge(pdu: &S1APPDU<'_>) -> Verdict {
    if !is_answered(pdu) {
        return Verdict::Good;
    }
    // What is no container of elements is an error of its own when it is read.
    let mut deviations = pdu.check_structure().unwrap_or_default();
    deviations.retain(|it| matches!(it, Deviation::UnexpectedIe { .. } | Deviation::MissingIe { .. }));
    let causes: Vec<CauseProtocol> = deviations.iter().filter_map(Deviation::cause).collect();
    let reject = CauseProtocol::abstract_syntax_error_reject;
    let Some(cause) = causes.iter().copied().find(|cause| *cause == reject).or(causes.first().copied())
    else {
        return Verdict::Good;
    };
    let words = deviations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    if cause == reject {
        Verdict::Reject(words, answer(pdu, cause, &deviations))
    } else {
        Verdict::Notify(words, indication(pdu, cause, &deviations))
    }
}

/// The answer to a message that could not be read to its end for this reason (§10.3.5; §10.2 where the value of an
/// element cannot be decoded).
pub(super) fn unreadable(pdu: &S1APPDU<'_>, error: &Error) -> Option<Answer> {
    if !is_answered(pdu) {
        return None;
    }
    match Deviation::of(error) {
        Some(deviation) => answer(pdu, deviation.cause()?, &[deviation]),
        None => answer(pdu, CauseProtocol::abstract_syntax_error_reject, &[]),
    }
}

/// The answer to a procedure that this eNB does not have, by its criticality (§10.3.4.1).
pub(super) fn unknown_procedure(pdu: &S1APPDU<'_>) -> Option<Answer> {
    let cause = match pdu.criticality() {
        _ if !is_answered(pdu) => return None,
        Criticality::reject => CauseProtocol::abstract_syntax_error_reject,
        Criticality::notify => CauseProtocol::abstract_syntax_error_ignore_and_notify,
        Criticality::ignore => return None,
    };
    indication(pdu, cause, &[])
}

/// Nobody is told of an error in a report of errors, nor in an answer: that would go on for ever (§10.5).
fn is_answered(pdu: &S1APPDU<'_>) -> bool {
    matches!(pdu, S1APPDU::initiatingMessage(_)) && pdu.kind() != Kind::Initiating_ErrorIndication
}

fn identifiers(pdu: &S1APPDU<'_>) -> (Option<u32>, Option<u32>) {
    let mme = pdu.ie::<ie::MME_UE_S1AP_ID>().and_then(Result::ok).map(|id| id.0);
    let enb = pdu.ie::<ie::eNB_UE_S1AP_ID>().and_then(Result::ok).map(|id| id.0);
    (mme, enb)
}

/// The procedure's own failure where it has one and can be said whose it is, else ERROR INDICATION (§10.3.4.2, §10.3.5).
fn answer(pdu: &S1APPDU<'_>, cause: CauseProtocol, deviations: &[Deviation]) -> Option<Answer> {
    let (mme, enb) = identifiers(pdu);
    let ids = mme.zip(enb).map(|(mme, enb)| Ids { mme, enb });
    let diagnostics = Some(pdu.criticality_diagnostics_for_response(deviations));
    let failed = Cause::protocol(cause);
    let octets = match (pdu.kind(), ids) {
        (Kind::Initiating_InitialContextSetup, Some(ids)) => {
            write::context_setup_failure(ids, failed, diagnostics)
        }
        (Kind::Initiating_UEContextModification, Some(ids)) => {
            write::modification_failure(ids, failed, diagnostics)
        }
        (Kind::Initiating_MMEConfigurationUpdate, _) => write::configuration_failure(failed, diagnostics),
        _ => return indication(pdu, cause, deviations),
    };
    Some(Answer { enb, octets: octets.ok()? })
}

/// ERROR INDICATION, with the procedure and what is wrong in its message.
fn indication(pdu: &S1APPDU<'_>, cause: CauseProtocol, deviations: &[Deviation]) -> Option<Answer> {
    let (mme, enb) = identifiers(pdu);
    let diagnostics = pdu.criticality_diagnostics(deviations);
    let octets = write::error_indication((mme, enb), Cause::protocol(cause), Some(diagnostics)).ok()?;
    Some(Answer { enb, octets })
}
