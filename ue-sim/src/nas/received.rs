//! Plain messages of the network, read as a receiver has to (TS 24.301 §7, TS 24.007 §11.4): what is unknown, repeated,
//! out of sequence or malformed in the optional part is passed over; what is wrong in the mandatory part is a [`Fault`]
//! with the answer that the network gets. The rules for senders judge nothing here.

use oxirush_nas::common::{IeFault, NasError as CodecError, UnknownIes};
use oxirush_nas::nas_eps::*;

/// A message, or the ESM message in it, that is not acted upon.
#[derive(Debug)]
pub(super) struct Fault {
    /// In words.
    pub(super) why: String,
    /// EMM or ESM cause of the answer.
    pub(super) cause: Option<u8>,
    /// What the network is told; `None`: the message is ignored.
    pub(super) answer: Option<NasEpsMessage>,
}

impl Fault {
    /// Nobody is told.
    pub(super) fn ignored(why: impl Into<String>) -> Self {
        Self { why: why.into(), cause: None, answer: None }
    }

    /// EMM STATUS with this cause (§5.7).
    pub(super) fn emm(cause: EmmCause, why: impl Into<String>) -> Self {
        let status = NasEmmStatus::new(NasEmmCause::from_cause(cause));
        Self { why: why.into(), cause: Some(cause.as_u8()), answer: Some(NasEpsMessage::new_emm(status)) }
    }

    /// The answer of the procedure that the ESM message belongs to, where it has one for this, else ESM STATUS
    /// (§7.5.3, §6.7).
    pub(super) fn esm(header: EsmHeader, cause: EsmCause, why: impl Into<String>) -> Self {
        use NasEsmMessageType as Type;
        let value = NasEsmCause::from_cause(cause);
        let answer: NasEsmMessage = match header.kind {
            Type::ActivateDefaultEpsBearerContextRequest => {
                NasActivateDefaultEpsBearerContextReject::new(value).into()
            }
            Type::ActivateDedicatedEpsBearerContextRequest => {
                NasActivateDedicatedEpsBearerContextReject::new(value).into()
            }
            Type::ModifyEpsBearerContextRequest => NasModifyEpsBearerContextReject::new(value).into(),
            Type::DeactivateEpsBearerContextRequest => NasDeactivateEpsBearerContextAccept::new().into(),
            _ => {
                let status = NasEpsMessage::new_esm(NasEsmStatus::new(value), header.ebi, header.pti);
                return Self { why: why.into(), cause: Some(cause.as_u8()), answer: Some(status) };
            }
        };
        // Answers to the network's procedures have PTI 0 (§9.4, §6.4).
        let answer = NasEpsMessage::new_esm(answer, header.ebi, 0);
        Self { why: why.into(), cause: Some(cause.as_u8()), answer: Some(answer) }
    }
}

/// The header of an ESM message, §9.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EsmHeader {
    /// EPS bearer identity.
    pub(super) ebi: u8,
    /// Procedure transaction identity.
    pub(super) pti: u8,
    /// Message type.
    pub(super) kind: NasEsmMessageType,
}

/// Whether this is an EMM message that a network sends and this UE acts upon. Those that only a UE sends are no messages
/// in this direction (§7.4).
const fn is_emm_for_ue(kind: NasEmmMessageType) -> bool {
    use NasEmmMessageType as Type;
    matches!(
        kind,
        Type::AttachAccept
            | Type::AttachReject
            | Type::DetachRequest
            | Type::DetachAccept
            | Type::TrackingAreaUpdateAccept
            | Type::TrackingAreaUpdateReject
            | Type::ServiceReject
            | Type::GutiReallocationCommand
            | Type::AuthenticationRequest
            | Type::AuthenticationReject
            | Type::IdentityRequest
            | Type::SecurityModeCommand
            | Type::EmmStatus
            | Type::EmmInformation
    )
}

/// The same of ESM.
const fn is_esm_for_ue(kind: NasEsmMessageType) -> bool {
    use NasEsmMessageType as Type;
    matches!(
        kind,
        Type::ActivateDefaultEpsBearerContextRequest
            | Type::ActivateDedicatedEpsBearerContextRequest
            | Type::ModifyEpsBearerContextRequest
            | Type::DeactivateEpsBearerContextRequest
            | Type::PdnConnectivityReject
            | Type::PdnDisconnectReject
            | Type::BearerResourceAllocationReject
            | Type::BearerResourceModificationReject
            | Type::EsmInformationRequest
            | Type::EsmStatus
    )
}

/// The type of a plain EMM message; `None`: it is too short to have one (§7.2).
pub(super) fn emm_type(octets: &[u8]) -> Option<NasEmmMessageType> {
    NasEmmMessageType::try_from(*octets.get(1)?).ok()
}

/// Reads a plain EMM message.
///
/// # Errors
/// If it is not to be acted upon.
pub(super) fn emm(octets: &[u8]) -> Result<NasEmmMessage, Fault> {
    let (Some(first), Some(kind)) = (octets.first(), emm_type(octets)) else {
        return Err(Fault::ignored("an EMM message that ends before its type"));
    };
    if first >> 4 != 0 {
        return Err(Fault::ignored("a security header inside of another"));
    }
    if !is_emm_for_ue(kind) {
        let why = format!("EMM message type {:#04x} is none that this UE has", kind.as_u8());
        return Err(Fault::emm(EmmCause::MessageTypeNonExistentOrNotImplemented, why));
    }
    let named = |why: String| format!("{kind:?}: {why}");
    let faulty = |error: &CodecError| {
        let cause = match error {
            CodecError::InvalidMandatoryIe { .. } | CodecError::UnknownIeCutShort { .. } => {
                EmmCause::InvalidMandatoryInformation
            }
            _ => EmmCause::ProtocolErrorUnspecified,
        };
        Fault::emm(cause, named(error.to_string()))
    };
    let (message, faults) = match NasEpsMessage::decode_lenient_with_direction(octets, Direction::Downlink) {
        Ok((NasEpsMessage::Emm(_, message), faults)) => (message, faults),
        Ok(_) => return Err(Fault::ignored(named("no EMM message".into()))),
        Err(error) => return Err(faulty(&error)),
    };
    if let Some(error) = faults.iter().find(|error| !is_usable_emm(&message, error)) {
        return Err(faulty(error));
    }
    match required(message.unknown_ies()).or_else(|| reserved(&message)) {
        Some(why) => Err(Fault::emm(EmmCause::InvalidMandatoryInformation, named(why))),
        None => Ok(message),
    }
}

/// Whether a mandatory IE that is not as it should be can be worked with all the same: a list of tracking areas whose first
/// can be read.
fn is_usable_emm(message: &NasEmmMessage, error: &CodecError) -> bool {
    match message {
        NasEmmMessage::AttachAccept(accept) => {
            is_syntax_of(error, "tai_list") && !accept.tai_list.tais().is_empty()
        }
        _ => false,
    }
}

/// The same of ESM: an APN that ends as a name of the DNS does, with a label of nothing, or is longer than one may be.
fn is_usable_esm(message: &NasEsmMessage, error: &CodecError) -> bool {
    match message {
        NasEsmMessage::ActivateDefaultEpsBearerContextRequest(request) => {
            let labels = request.access_point_name.labels().unwrap_or_default();
            is_syntax_of(error, "access_point_name") && labels.iter().any(|label| !label.is_empty())
        }
        _ => false,
    }
}

fn is_syntax_of(error: &CodecError, field: &str) -> bool {
    matches!(error, CodecError::InvalidMandatoryIe { ie, fault: IeFault::Syntax, .. } if ie.field() == field)
}

/// Reads the header of an ESM message.
///
/// # Errors
/// If it ends before its type (§7.2).
pub(super) fn esm_header(octets: &[u8]) -> Result<EsmHeader, Fault> {
    match octets {
        [first, pti, kind, ..] if first & 0x0f == EPS_ESM_PROTOCOL_DISCRIMINATOR => {
            let kind = NasEsmMessageType::try_from(*kind).unwrap_or(NasEsmMessageType::Unknown(*kind));
            Ok(EsmHeader { ebi: first >> 4, pti: *pti, kind })
        }
        [first, ..] if first & 0x0f == EPS_ESM_PROTOCOL_DISCRIMINATOR => {
            Err(Fault::ignored("an ESM message that ends before its type"))
        }
        _ => Err(Fault::ignored("no ESM message")),
    }
}

/// Reads an ESM message whose header is this one.
///
/// # Errors
/// If it is not to be acted upon.
pub(super) fn esm(header: EsmHeader, octets: &[u8]) -> Result<NasEsmMessage, Fault> {
    if !is_esm_for_ue(header.kind) {
        let why = format!("ESM message type {:#04x} is none that this UE has", header.kind.as_u8());
        return Err(Fault::esm(header, EsmCause::MessageTypeNonExistentOrNotImplemented, why));
    }
    let named = |why: String| format!("{:?}: {why}", header.kind);
    let faulty = |error: &CodecError| {
        let cause = match error {
            CodecError::InvalidMandatoryIe { .. } | CodecError::UnknownIeCutShort { .. } => {
                EsmCause::InvalidMandatoryInformation
            }
            _ => EsmCause::ProtocolErrorUnspecified,
        };
        Fault::esm(header, cause, named(error.to_string()))
    };
    let (message, faults) = match NasEpsMessage::decode_lenient_with_direction(octets, Direction::Downlink) {
        Ok((NasEpsMessage::Esm(_, message), faults)) => (message, faults),
        Ok(_) => return Err(Fault::ignored(named("no ESM message".into()))),
        Err(error) => return Err(faulty(&error)),
    };
    if let Some(error) = faults.iter().find(|error| !is_usable_esm(&message, error)) {
        return Err(faulty(error));
    }
    match required(message.unknown_ies()).or_else(|| unusable_qos(&message)) {
        Some(why) => Err(Fault::esm(header, EsmCause::InvalidMandatoryInformation, named(why))),
        None => Ok(message),
    }
}

/// An unknown IE that is encoded as "comprehension required" is as an invalid mandatory one (§7.6.1, TS 24.007 §11.2.5).
fn required(unknown: &UnknownIes) -> Option<String> {
    let ie = unknown.iter().find(|ie| ie.is_comprehension_required())?;
    Some(format!("unknown IE {:#04x}, which has to be understood", ie.iei))
}

/// A value of a mandatory IE that is reserved in this direction or of another kind, so that nothing can be done with it
/// (TS 24.007 §11.4.2).
fn reserved(message: &NasEmmMessage) -> Option<String> {
    match message {
        // Taken, it would stand for "no key is available" in all that the UE asks for later (§9.9.3.21).
        NasEmmMessage::AuthenticationRequest(request)
            if request.nas_key_set_identifier_asme.ksi() == NO_KEY =>
        {
            Some(format!("it names no key set ({NO_KEY})"))
        }
        NasEmmMessage::GutiReallocationCommand(command) if command.guti.as_guti().is_none() => {
            Some("its identity is no GUTI".into())
        }
        _ => None,
    }
}

/// "No key is available" where a UE says it; reserved where the network does (§9.9.3.21).
const NO_KEY: u8 = 7;

fn unusable_qos(message: &NasEsmMessage) -> Option<String> {
    let qos = match message {
        NasEsmMessage::ActivateDefaultEpsBearerContextRequest(request) => &request.eps_qos,
        NasEsmMessage::ActivateDedicatedEpsBearerContextRequest(request) => &request.eps_qos,
        _ => return None,
    };
    usable_qos(qos).err()
}

/// The QoS class identifier of an EPS QoS.
///
/// # Errors
/// If the QCI is reserved, or if it is one with a guaranteed bit rate and both maximum bit rates are zero. Of any other
/// the rates are ignored (§9.9.4.3).
pub(super) fn usable_qos(ie: &NasEpsQualityOfService) -> Result<u8, String> {
    let Some(qos) = ie.qos() else { return Err("no QCI".into()) };
    if matches!(qos.qci, 0 | u8::MAX) {
        return Err(format!("QCI {} is reserved", qos.qci));
    }
    if qos.is_gbr() && ie.has_zero_maximum_bit_rates() {
        return Err(format!("QCI {} with maximum bit rates of zero both ways", qos.qci));
    }
    Ok(qos.qci)
}

/// The IEs that were passed over in a message, in words; `None`: nothing was.
pub(super) fn passed_over(unknown: &UnknownIes) -> Option<String> {
    const NAMED: usize = 8;
    let count = unknown.len();
    let mut identifiers: Vec<String> =
        unknown.iter().take(NAMED).map(|ie| format!("{:02x}", ie.iei)).collect();
    if count > NAMED {
        identifiers.push(format!("{} more", count - NAMED));
    }
    (count > 0).then(|| identifiers.join(", "))
}
