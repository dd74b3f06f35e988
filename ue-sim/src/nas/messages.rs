//! The messages that a UE writes, TS 24.301 §8.

use oxirush_nas::common::ValueError;
use oxirush_nas::nas_eps::*;
use schemas::identity::Imsi;

use super::Capabilities;

/// A UE could not write a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NasError {
    /// A value does not fit into its information element.
    #[error("{0}")]
    Value(#[from] ValueError),
    /// It cannot be encoded or protected.
    #[error("{0}")]
    Codec(String),
    /// The cell is barred: its network did not prove genuine (TS 24.301 §5.4.2.7 f).
    #[error(
        "the cell is barred for this UE: its network did not prove genuine (TS 24.301 5.4.2.7 f); it is tried again after \
         300 s, or when the UE was switched off"
    )]
    Barred,
    /// The UE does not go there after an earlier reject.
    #[error("the UE does not try: {0}")]
    Forbidden(Box<super::Entry>),
    /// What was asked for does not go in this state.
    #[error("the UE is {state}: {what} is not possible")]
    State {
        /// Where it is.
        state: &'static str,
        /// What was asked for.
        what: &'static str,
    },
}

impl From<oxirush_nas::common::NasError> for NasError {
    fn from(error: oxirush_nas::common::NasError) -> Self {
        Self::Codec(error.to_string())
    }
}

/// Containers of the protocol configuration options that a UE asks with, TS 24.008 §10.5.6.3.
mod container {
    /// DNS Server IPv4 Address Request.
    pub(super) const DNS_IPV4: u16 = 0x000d;
    /// IPv4 Link MTU Request.
    pub(super) const MTU_IPV4: u16 = 0x0010;
    /// IP address allocation via NAS signalling.
    pub(super) const ADDRESS_BY_NAS: u16 = 0x000a;
}

/// What the UE asks for beside its address.
fn options() -> Result<NasProtocolConfigurationOptions, ValueError> {
    let ask = |identifier| PcoEntry { identifier, contents: Vec::new() };
    let entries = [container::ADDRESS_BY_NAS, container::DNS_IPV4, container::MTU_IPV4].map(ask);
    NasProtocolConfigurationOptions::from_pco(&Pco::new(0, entries.to_vec()), PcoDirection::Uplink)
}

/// UE network capability, TS 24.301 §9.9.3.34: the algorithms, nothing of UMTS.
pub(super) fn network_capability(capabilities: Capabilities) -> NasUeNetworkCapability {
    NasUeNetworkCapability::new(vec![capabilities.ciphering, capabilities.integrity])
}

pub(super) fn key_set(ksi: Option<u8>) -> Result<NasKeySetIdentifier, ValueError> {
    let ksi = ksi.map_or(KeySetIdentifier::NoKey, KeySetIdentifier::Native);
    NasKeySetIdentifier::from_key_set_identifier(ksi)
}

pub(super) fn mobile_identity(imsi: Imsi, guti: Option<Guti>) -> Result<NasEpsMobileIdentity, ValueError> {
    match guti {
        Some(guti) => Ok(NasEpsMobileIdentity::from_guti(guti)),
        None => NasEpsMobileIdentity::from_imsi(&imsi.to_string()),
    }
}

/// PDN CONNECTIVITY REQUEST, §8.3.20. Name of the APN and options are sent ciphered, when the network asks for them
/// (§6.6.1.2), if there is an APN to be named.
pub(super) fn pdn_connectivity(pti: u8, named: bool) -> Result<NasEpsMessage, NasError> {
    let mut request = NasPdnConnectivityRequest::new(
        NasRequestType::from_request_type(RequestTypeValue::Initial),
        NasPdnType::from_pdn_type(PdnType::Ipv4),
    );
    if named {
        request =
            request.with_esm_information_transfer_flag(NasEsmInformationTransferFlag::from_required(true));
    } else {
        request = request.with_protocol_configuration_options(options()?);
    }
    Ok(NasEpsMessage::new_esm(request, 0, pti))
}

/// ESM INFORMATION RESPONSE, §8.3.14.
pub(super) fn esm_information(pti: u8, apn: Option<&str>) -> Result<NasEpsMessage, NasError> {
    let mut response = NasEsmInformationResponse::new().with_protocol_configuration_options(options()?);
    if let Some(apn) = apn {
        response = response.with_access_point_name(NasAccessPointName::from_string(apn)?);
    }
    Ok(NasEpsMessage::new_esm(response, 0, pti))
}

/// ATTACH REQUEST, §8.2.4.
pub(super) fn attach(
    ksi: Option<u8>,
    identity: NasEpsMobileIdentity,
    capabilities: Capabilities,
    esm: &NasEpsMessage,
) -> Result<NasEpsMessage, NasError> {
    let request = NasAttachRequest::new(
        NasEpsAttachType::from_attach_type(AttachType::EpsAttach),
        key_set(ksi)?,
        identity,
        network_capability(capabilities),
        NasEsmMessageContainer::new(esm.encode()?),
    );
    Ok(NasEpsMessage::new_emm(request))
}

/// ATTACH COMPLETE, §8.2.2, with the default bearer accepted.
pub(super) fn attach_complete(ebi: u8) -> Result<NasEpsMessage, NasError> {
    let accept = NasEpsMessage::new_esm(NasActivateDefaultEpsBearerContextAccept::new(), ebi, 0);
    Ok(NasEpsMessage::new_emm(NasAttachComplete::new(NasEsmMessageContainer::new(accept.encode()?))))
}

/// TRACKING AREA UPDATE REQUEST, §8.2.29.
pub(super) fn tracking_area_update(
    ksi: Option<u8>,
    guti: Guti,
    periodic: bool,
    active: bool,
    capabilities: Capabilities,
    bearers: &[u8],
) -> Result<NasEpsMessage, NasError> {
    let kind = if periodic { UpdateType::PeriodicUpdating } else { UpdateType::TaUpdating };
    let mut request = NasTrackingAreaUpdateRequest::new(
        NasEpsUpdateType::from_update_type(kind).with_active(active),
        key_set(ksi)?,
        NasEpsMobileIdentity::from_guti(guti),
    )
    .with_eps_bearer_context_status(NasEpsBearerContextStatus::from_bearers(bearers)?);
    if !periodic {
        // §8.2.29.1: not in a periodic one.
        request = request.with_ue_network_capability(network_capability(capabilities));
    }
    Ok(NasEpsMessage::new_emm(request))
}

/// DETACH REQUEST (UE originating), §8.2.11.1.
pub(super) fn detach(
    ksi: Option<u8>,
    identity: NasEpsMobileIdentity,
    switch_off: bool,
) -> Result<NasEpsMessage, NasError> {
    let kind = NasDetachType::from_ue_detach_kind(UeDetachKind::EpsDetach, switch_off);
    Ok(NasEpsMessage::new_emm(NasDetachRequestUeOriginating::new(kind, key_set(ksi)?, identity)))
}

/// A message that has nothing but its EMM cause.
pub(super) fn emm_cause(cause: u8) -> NasEmmCause {
    NasEmmCause::new(cause)
}
