//! What an eNB sends, written.

use std::net::IpAddr;

use oxirush_s1ap::helpers::{self, EnbKind};
use oxirush_s1ap::s1ap::*;
use oxirush_s1ap::{Error, build_s1ap, build_s1ap_ie};
use schemas::identity::Plmn;

use super::Ids;
use crate::access::s1ap::EnbConfig;

/// Cell 1 of the eNB.
const CELL: u16 = 1;

fn transport(address: IpAddr) -> TransportLayerAddress<'static> {
    match address {
        IpAddr::V4(address) => TransportLayerAddress(address.octets().into()),
        IpAddr::V6(address) => TransportLayerAddress(address.octets().into()),
    }
}

fn plmn(plmn: Plmn) -> Result<PLMNidentity, Error> {
    helpers::plmn(&plmn.mcc(), &plmn.mnc())
}

/// S1 SETUP REQUEST, §9.1.8.4.
pub(in super::super) fn setup(config: &EnbConfig) -> Result<Vec<u8>, Error> {
    let network = plmn(config.plmn)?;
    let area = SupportedTAsItem::new(TAC(config.tac.to_be_bytes()), BPLMNs(vec![network]), None);
    build_s1ap!(
        InitiatingMessage,
        S1Setup,
        S1SetupRequest,
        Global_ENB_ID(helpers::global_enb_id(network, EnbKind::Macro, config.enb_id)?),
        eNBname(config.name.as_str()),
        SupportedTAs(SupportedTAs(vec![area])),
        DefaultPagingDRX(PagingDRX::v128),
    )?
    .encode()
}

/// By what an idle UE that has one is known: MME code and M-TMSI, and PLMN, group and code of its MME.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Temporary {
    pub(in super::super) s_tmsi: (u8, u32),
    pub(in super::super) gummei: (Plmn, u16, u8),
}

/// INITIAL UE MESSAGE, §9.1.7.1.
pub(in super::super) fn initial(
    config: &EnbConfig,
    enb: u32,
    nas: &[u8],
    cause: RRCEstablishmentCause,
    temporary: Option<Temporary>,
) -> Result<Vec<u8>, Error> {
    let network = plmn(config.plmn)?;
    let tai = helpers::tai(network, config.tac.to_be_bytes());
    let cell = helpers::eutran_cgi(network, EnbKind::Macro, config.enb_id, CELL)?;
    let nas = nas.to_vec();
    let pdu = match temporary {
        None => build_s1ap!(
            InitiatingMessage,
            initialUEMessage,
            InitialUEMessage,
            eNB_UE_S1AP_ID(enb),
            NAS_PDU(nas),
            TAI(tai),
            EUTRAN_CGI(cell),
            RRC_Establishment_Cause(cause),
        ),
        Some(Temporary { s_tmsi: (mmec, m_tmsi), gummei: (of, group, code) }) => {
            let s_tmsi = STMSI::new(MMECode([mmec]), MTMSI(m_tmsi.to_be_bytes()), None);
            let gummei = helpers::gummei(plmn(of)?, group, code);
            build_s1ap!(
                InitiatingMessage,
                initialUEMessage,
                InitialUEMessage,
                eNB_UE_S1AP_ID(enb),
                NAS_PDU(nas),
                TAI(tai),
                EUTRAN_CGI(cell),
                RRC_Establishment_Cause(cause),
                S_TMSI(s_tmsi),
                GUMMEI_ID(gummei),
            )
        }
    }?;
    pdu.encode()
}

/// UPLINK NAS TRANSPORT, §9.1.7.3.
pub(in super::super) fn uplink(config: &EnbConfig, ids: Ids, nas: &[u8]) -> Result<Vec<u8>, Error> {
    let network = plmn(config.plmn)?;
    build_s1ap!(
        InitiatingMessage,
        uplinkNASTransport,
        UplinkNASTransport,
        MME_UE_S1AP_ID(ids.mme),
        eNB_UE_S1AP_ID(ids.enb),
        NAS_PDU(nas.to_vec()),
        EUTRAN_CGI(helpers::eutran_cgi(network, EnbKind::Macro, config.enb_id, CELL)?),
        TAI(helpers::tai(network, config.tac.to_be_bytes())),
    )?
    .encode()
}

/// NAS NON DELIVERY INDICATION, §9.1.7.4: this message did not reach the UE.
pub(in super::super) fn non_delivery(
    ids: Ids,
    nas: Vec<u8>,
    cause: CauseRadioNetwork,
) -> Result<Vec<u8>, Error> {
    build_s1ap!(
        InitiatingMessage,
        NASNonDeliveryIndication,
        NASNonDeliveryIndication,
        MME_UE_S1AP_ID(ids.mme),
        eNB_UE_S1AP_ID(ids.enb),
        NAS_PDU(nas),
        Cause(Cause::radioNetwork(cause)),
    )?
    .encode()
}

/// A response about E-RABs: those that succeeded, if any did, and those that did not.
macro_rules! about_erabs {
    ($procedure:ident, $message:ident, $ids:expr, $succeeded:ident($done:expr), $failed:ident($not:expr)) => {{
        let ids: Ids = $ids;
        match ($done, $not) {
            (Some(done), Some(not)) => build_s1ap!(
                SuccessfulOutcome,
                $procedure,
                $message,
                MME_UE_S1AP_ID(ids.mme),
                eNB_UE_S1AP_ID(ids.enb),
                $succeeded(done),
                $failed(not),
            ),
            (Some(done), None) => build_s1ap!(
                SuccessfulOutcome,
                $procedure,
                $message,
                MME_UE_S1AP_ID(ids.mme),
                eNB_UE_S1AP_ID(ids.enb),
                $succeeded(done),
            ),
            (None, Some(not)) => build_s1ap!(
                SuccessfulOutcome,
                $procedure,
                $message,
                MME_UE_S1AP_ID(ids.mme),
                eNB_UE_S1AP_ID(ids.enb),
                $failed(not),
            ),
            (None, None) => build_s1ap!(
                SuccessfulOutcome,
                $procedure,
                $message,
                MME_UE_S1AP_ID(ids.mme),
                eNB_UE_S1AP_ID(ids.enb),
            ),
        }?
        .encode()
    }};
}

/// INITIAL CONTEXT SETUP RESPONSE, §9.1.4.3: where the eNB takes each bearer's packets, of which there is one at least;
/// `not`: the bearers that were not set up, and why.
pub(in super::super) fn context_setup_response(
    ids: Ids,
    at: IpAddr,
    erabs: &[(u8, u32)],
    not: &[(u8, Cause)],
) -> Result<Vec<u8>, Error> {
    let mut items = Vec::new();
    for (id, teid) in erabs {
        let item = ERABSetupItemCtxtSURes::new(
            ERABID(u64::from(*id)),
            transport(at),
            GTPTEID(teid.to_be_bytes()),
            None,
        );
        items.push(build_s1ap_ie!(IGNORE E_RABSetupItemCtxtSURes(item))?);
    }
    let not = each_failed(not.iter().cloned())?;
    about_erabs!(
        InitialContextSetup,
        InitialContextSetupResponse,
        ids,
        E_RABSetupListCtxtSURes(Some(ERABSetupListCtxtSURes(items))),
        E_RABFailedToSetupListCtxtSURes(not)
    )
}

/// An unsuccessful outcome: identifiers if it is about a UE, Cause, and what is wrong in the request if that is why.
macro_rules! failure {
    ($message:ident, $cause:expr, $diagnostics:expr $(, $id:ident($value:expr))*) => {{
        let mut ies = vec![
            $(build_s1ap_ie!($message, $id($value))?,)*
            build_s1ap_ie!($message, Cause($cause))?,
        ];
        if let Some(diagnostics) = $diagnostics {
            ies.push(build_s1ap_ie!($message, CriticalityDiagnostics(diagnostics))?);
        }
        S1AP_PDU::of_message(&$message::new(ProtocolIEContainer(ies)), Criticality::reject)?.encode()
    }};
}

/// INITIAL CONTEXT SETUP FAILURE, §9.1.4.4; with what is wrong in the request, if that is why.
pub(in super::super) fn context_setup_failure(
    ids: Ids,
    cause: Cause,
    diagnostics: Option<CriticalityDiagnostics>,
) -> Result<Vec<u8>, Error> {
    failure!(InitialContextSetupFailure, cause, diagnostics, MME_UE_S1AP_ID(ids.mme), eNB_UE_S1AP_ID(ids.enb))
}

/// UE CONTEXT MODIFICATION FAILURE, §9.1.4.10; with what is wrong in the request.
pub(in super::super) fn modification_failure(
    ids: Ids,
    cause: Cause,
    diagnostics: Option<CriticalityDiagnostics>,
) -> Result<Vec<u8>, Error> {
    failure!(
        UEContextModificationFailure,
        cause,
        diagnostics,
        MME_UE_S1AP_ID(ids.mme),
        eNB_UE_S1AP_ID(ids.enb)
    )
}

/// MME CONFIGURATION UPDATE FAILURE, §9.1.8.12; with what is wrong in the update.
pub(in super::super) fn configuration_failure(
    cause: Cause,
    diagnostics: Option<CriticalityDiagnostics>,
) -> Result<Vec<u8>, Error> {
    failure!(MMEConfigurationUpdateFailure, cause, diagnostics)
}

/// E-RABs that failed, each with its cause; a list has one at least, or is not there (§9.2.1.36).
fn failed(erabs: &[u8], cause: CauseRadioNetwork) -> Result<Option<ERABList<'static>>, Error> {
    each_failed(erabs.iter().map(|id| (*id, Cause::radioNetwork(cause))))
}

fn each_failed(erabs: impl Iterator<Item = (u8, Cause)>) -> Result<Option<ERABList<'static>>, Error> {
    let mut items = Vec::new();
    for (id, cause) in erabs {
        let item = ERABItem::new(ERABID(u64::from(id)), cause, None);
        items.push(build_s1ap_ie!(IGNORE E_RABItem(item))?);
    }
    Ok((!items.is_empty()).then_some(ERABList(items)))
}

/// E-RAB SETUP RESPONSE, §9.1.3.2; `twice`: they were there already (§8.2.1.4).
pub(in super::super) fn erab_setup_response(
    ids: Ids,
    at: IpAddr,
    erabs: &[(u8, u32)],
    not: &[(u8, Cause)],
) -> Result<Vec<u8>, Error> {
    let mut items = Vec::new();
    for (id, teid) in erabs {
        let item = ERABSetupItemBearerSURes::new(
            ERABID(u64::from(*id)),
            transport(at),
            GTPTEID(teid.to_be_bytes()),
            None,
        );
        items.push(build_s1ap_ie!(IGNORE E_RABSetupItemBearerSURes(item))?);
    }
    let done = (!items.is_empty()).then_some(ERABSetupListBearerSURes(items));
    let not = each_failed(not.iter().cloned())?;
    about_erabs!(
        E_RABSetup,
        ERABSetupResponse,
        ids,
        E_RABSetupListBearerSURes(done),
        E_RABFailedToSetupListBearerSURes(not)
    )
}

/// E-RAB MODIFY RESPONSE, §9.1.3.4; `unknown`: this eNB does not have them (§8.2.2.2).
pub(in super::super) fn erab_modify_response(
    ids: Ids,
    erabs: &[u8],
    unknown: &[u8],
) -> Result<Vec<u8>, Error> {
    let mut items = Vec::new();
    for id in erabs {
        let item = ERABModifyItemBearerModRes::new(ERABID(u64::from(*id)), None);
        items.push(build_s1ap_ie!(IGNORE E_RABModifyItemBearerModRes(item))?);
    }
    let done = (!items.is_empty()).then_some(ERABModifyListBearerModRes(items));
    let not = failed(unknown, CauseRadioNetwork::unknown_E_RAB_ID)?;
    about_erabs!(
        E_RABModify,
        ERABModifyResponse,
        ids,
        E_RABModifyListBearerModRes(done),
        E_RABFailedToModifyList(not)
    )
}

/// E-RAB RELEASE RESPONSE, §9.1.3.6; `unknown`: this eNB does not have them (§8.2.3.2).
pub(in super::super) fn erab_release_response(
    ids: Ids,
    erabs: &[u8],
    unknown: &[u8],
) -> Result<Vec<u8>, Error> {
    let mut items = Vec::new();
    for id in erabs {
        let item = ERABReleaseItemBearerRelComp::new(ERABID(u64::from(*id)), None);
        items.push(build_s1ap_ie!(IGNORE E_RABReleaseItemBearerRelComp(item))?);
    }
    let done = (!items.is_empty()).then_some(ERABReleaseListBearerRelComp(items));
    let not = failed(unknown, CauseRadioNetwork::unknown_E_RAB_ID)?;
    about_erabs!(
        E_RABRelease,
        ERABReleaseResponse,
        ids,
        E_RABReleaseListBearerRelComp(done),
        E_RABFailedToReleaseList(not)
    )
}

/// E-RAB RELEASE INDICATION, §9.1.3.7: the eNB has given an E-RAB up.
pub(in super::super) fn erab_release_indication(
    ids: Ids,
    erab: u8,
    cause: CauseRadioNetwork,
) -> Result<Vec<u8>, Error> {
    let item = ERABItem::new(ERABID(u64::from(erab)), Cause::radioNetwork(cause), None);
    let list = ERABList(vec![build_s1ap_ie!(IGNORE E_RABItem(item))?]);
    build_s1ap!(
        InitiatingMessage,
        E_RABReleaseIndication,
        ERABReleaseIndication,
        MME_UE_S1AP_ID(ids.mme),
        eNB_UE_S1AP_ID(ids.enb),
        E_RABReleasedList(list),
    )?
    .encode()
}

/// UE CONTEXT RELEASE REQUEST, §9.1.4.5.
pub(in super::super) fn release_request(ids: Ids, cause: CauseRadioNetwork) -> Result<Vec<u8>, Error> {
    build_s1ap!(
        InitiatingMessage,
        UEContextReleaseRequest,
        UEContextReleaseRequest,
        MME_UE_S1AP_ID(ids.mme),
        eNB_UE_S1AP_ID(ids.enb),
        Cause(Cause::radioNetwork(cause)),
    )?
    .encode()
}

/// UE CONTEXT RELEASE COMPLETE, §9.1.4.7.
pub(in super::super) fn release_complete(ids: Ids) -> Result<Vec<u8>, Error> {
    build_s1ap!(
        SuccessfulOutcome,
        UEContextRelease,
        UEContextReleaseComplete,
        MME_UE_S1AP_ID(ids.mme),
        eNB_UE_S1AP_ID(ids.enb),
    )?
    .encode()
}

/// UE CONTEXT MODIFICATION RESPONSE, §9.1.4.9.
pub(in super::super) fn modification_response(ids: Ids) -> Result<Vec<u8>, Error> {
    build_s1ap!(
        SuccessfulOutcome,
        UEContextModification,
        UEContextModificationResponse,
        MME_UE_S1AP_ID(ids.mme),
        eNB_UE_S1AP_ID(ids.enb),
    )?
    .encode()
}

/// RESET of the whole interface, §9.1.8.1.
pub(in super::super) fn reset(cause: CauseMisc) -> Result<Vec<u8>, Error> {
    build_s1ap!(
        InitiatingMessage,
        Reset,
        Reset,
        Cause(Cause::misc(cause)),
        ResetType(ResetType::s1_Interface(ResetAll::reset_all)),
    )?
    .encode()
}

/// RESET ACKNOWLEDGE, §9.1.8.2; with the connections of a RESET of some.
pub(in super::super) fn reset_acknowledge(
    part: Option<&[(Option<u32>, Option<u32>)]>,
) -> Result<Vec<u8>, Error> {
    let pdu = match part {
        None => build_s1ap!(SuccessfulOutcome, Reset, ResetAcknowledge,),
        Some(part) => {
            let mut items = Vec::new();
            for (mme, enb) in part {
                let item = UEAssociatedLogicalS1ConnectionItem::new(
                    mme.map(MMEUES1APID),
                    enb.map(ENBUES1APID),
                    None,
                );
                items.push(build_s1ap_ie!(IGNORE UE_associatedLogicalS1_ConnectionItem(item))?);
            }
            build_s1ap!(
                SuccessfulOutcome,
                Reset,
                ResetAcknowledge,
                UE_associatedLogicalS1_ConnectionListResAck(UEAssociatedLogicalS1ConnectionListResAck(items)),
            )
        }
    }?;
    pdu.encode()
}

/// ERROR INDICATION, §9.1.8.3: about the connection that the message named, as far as it did (MME and eNB UE S1AP ID);
/// with what is wrong in it (§9.2.1.21).
pub(in super::super) fn error_indication(
    (mme, enb): (Option<u32>, Option<u32>),
    cause: Cause,
    diagnostics: Option<CriticalityDiagnostics>,
) -> Result<Vec<u8>, Error> {
    let mut ies = Vec::new();
    if let Some(mme) = mme {
        ies.push(build_s1ap_ie!(ErrorIndication, MME_UE_S1AP_ID(mme))?);
    }
    if let Some(enb) = enb {
        ies.push(build_s1ap_ie!(ErrorIndication, eNB_UE_S1AP_ID(enb))?);
    }
    ies.push(build_s1ap_ie!(ErrorIndication, Cause(cause))?);
    if let Some(diagnostics) = diagnostics {
        ies.push(build_s1ap_ie!(ErrorIndication, CriticalityDiagnostics(diagnostics))?);
    }
    let message = ErrorIndication::new(ProtocolIEContainer(ies));
    S1AP_PDU::of_message(&message, Criticality::ignore)?.encode()
}

/// ERROR INDICATION about a connection, for another reason than the message's form.
pub(in super::super) fn error_about(ids: Ids, cause: Cause) -> Result<Vec<u8>, Error> {
    error_indication((Some(ids.mme), Some(ids.enb)), cause, None)
}

/// MME CONFIGURATION UPDATE ACKNOWLEDGE, §9.1.8.11.
pub(in super::super) fn configuration_acknowledge() -> Result<Vec<u8>, Error> {
    build_s1ap!(SuccessfulOutcome, MMEConfigurationUpdate, MMEConfigurationUpdateAcknowledge,)?.encode()
}
