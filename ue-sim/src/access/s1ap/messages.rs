//! What an eNB writes and reads of S1AP, TS 36.413 §9.1.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use oxirush_s1ap::helpers::{self, EnbKind};
use oxirush_s1ap::s1ap::*;
use oxirush_s1ap::{Error, S1apPduKind, build_s1ap, build_s1ap_ie, extract_s1ap_ies, ie};
use schemas::identity::Plmn;

use super::EnbConfig;

/// Cell 1 of the eNB.
const CELL: u16 = 1;

/// The two identifiers of a UE-associated logical S1 connection, TS 36.413 §3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Ids {
    /// MME UE S1AP ID.
    pub(super) mme: u32,
    /// eNB UE S1AP ID.
    pub(super) enb: u32,
}

/// KeNB as the MME gives it (Security Key, TS 36.413 §9.2.1.41). Debug does not show it, and it is wiped.
#[derive(Clone, PartialEq, Eq, zeroize::ZeroizeOnDrop)]
pub(super) struct MmeKey([u8; 32]);

impl MmeKey {
    /// Whether it is this one, compared in constant time.
    pub(super) fn is(&self, other: &[u8; 32]) -> bool {
        subtle::ConstantTimeEq::ct_eq(&self.0[..], &other[..]).into()
    }
}

impl std::fmt::Debug for MmeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MmeKey(hidden)")
    }
}

/// A bearer that the MME wants set up (E-RAB, TS 36.413 §9.2.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erab {
    /// E-RAB identity; the EPS bearer identity's number.
    pub id: u8,
    /// QoS class identifier.
    pub qci: u8,
    /// Where the serving gateway takes the UE's packets.
    pub address: IpAddr,
    /// Its tunnel endpoint identifier.
    pub teid: u32,
    /// The NAS message that comes with it.
    pub nas: Option<Vec<u8>>,
}

/// What an MME sends.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum FromMme {
    SetupResponse {
        name: String,
        gummeis: Vec<String>,
    },
    SetupFailure {
        cause: String,
        wait: Option<Duration>,
    },
    DownlinkNas {
        ids: Ids,
        nas: Vec<u8>,
    },
    ContextSetup {
        ids: Ids,
        erabs: Vec<Erab>,
        /// KeNB, TS 33.401 §7.2.8.1.
        key: Option<MmeKey>,
        /// UE-AMBR down and up, bit/s.
        ambr: Option<(u64, u64)>,
    },
    ContextModification {
        ids: Ids,
    },
    ContextRelease {
        mme: u32,
        enb: Option<u32>,
        cause: String,
    },
    ErabSetup {
        ids: Ids,
        erabs: Vec<Erab>,
    },
    ErabModify {
        ids: Ids,
        erabs: Vec<(u8, Vec<u8>)>,
    },
    ErabRelease {
        ids: Ids,
        erabs: Vec<u8>,
        nas: Option<Vec<u8>>,
    },
    PagingByTmsi {
        mmec: u8,
        m_tmsi: u32,
    },
    PagingByImsi(Vec<u8>),
    Reset {
        /// `None`: everything.
        part: Option<Vec<(Option<u32>, Option<u32>)>>,
        cause: String,
    },
    ResetAcknowledged,
    OverloadStart,
    OverloadStop,
    ErrorIndication {
        mme: Option<u32>,
        enb: Option<u32>,
        cause: String,
    },
    MmeConfigurationUpdate,
    /// Something that this eNB does not do; whether it has to say so (criticality reject, §10.3).
    Other {
        name: String,
        reject: bool,
    },
}

/// A cause in words, TS 36.413 §9.2.1.3.
#[must_use]
pub fn cause_words(cause: &Cause) -> String {
    let (group, name) = match cause {
        Cause::radioNetwork(cause) => ("radio network", format!("{cause:?}")),
        Cause::transport(cause) => ("transport", format!("{cause:?}")),
        Cause::nas(cause) => ("NAS", format!("{cause:?}")),
        Cause::protocol(cause) => ("protocol", format!("{cause:?}")),
        Cause::misc(cause) => ("miscellaneous", format!("{cause:?}")),
        other => ("another kind", format!("{other:?}")),
    };
    format!("{group}: {}", name.replace('_', " "))
}

fn wait(time: TimeToWait) -> Duration {
    Duration::from_secs(match time {
        TimeToWait::v1s => 1,
        TimeToWait::v2s => 2,
        TimeToWait::v5s => 5,
        TimeToWait::v10s => 10,
        TimeToWait::v20s => 20,
        // Values of later releases are longer.
        _ => 60,
    })
}

/// An address as S1AP has it: 32 bits, 128, or both (§9.2.2.1).
fn address(value: &TransportLayerAddress<'_>) -> Option<IpAddr> {
    let octets = value.0.as_octets();
    match octets.len() {
        4 => <[u8; 4]>::try_from(octets).ok().map(|octets| Ipv4Addr::from(octets).into()),
        16 => <[u8; 16]>::try_from(octets).ok().map(|octets| Ipv6Addr::from(octets).into()),
        20 => octets.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets).into()),
        _ => None,
    }
}

fn transport(address: IpAddr) -> TransportLayerAddress<'static> {
    match address {
        IpAddr::V4(address) => TransportLayerAddress(address.octets().into()),
        IpAddr::V6(address) => TransportLayerAddress(address.octets().into()),
    }
}

/// E-RAB identity, 0 to 15 and an extension that nobody uses (§9.2.1.2).
fn number(id: &ERABID) -> u8 {
    u8::try_from(id.0).unwrap_or(u8::MAX)
}

/// Why a message of the MME cannot be acted upon.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(super) enum Unreadable {
    /// It is no S1AP at all (§10.2).
    #[error("{0}")]
    Transfer(Error),
    /// Something that has to be there is not, or makes no sense (§10.3); whether the MME is told.
    #[error("{0}")]
    Abstract(Error, bool),
}

/// Reads a message of the MME.
pub(super) fn read(octets: &[u8]) -> Result<FromMme, Unreadable> {
    let pdu = S1AP_PDU::decode_borrowed(octets).map_err(Unreadable::Transfer)?;
    content(&pdu).map_err(|error| {
        // Nobody is told of an error in a report of errors, nor in an answer: that would go on for ever.
        let first = matches!(pdu, S1APPDU::initiatingMessage(_));
        Unreadable::Abstract(error, first && pdu.kind() != S1apPduKind::Initiating_ErrorIndication)
    })
}

fn content(pdu: &S1APPDU<'_>) -> Result<FromMme, Error> {
    use S1apPduKind as Kind;
    Ok(match pdu.kind() {
        Kind::Successful_S1Setup => {
            extract_s1ap_ies!(pdu, S1SetupResponse,
                lax name: String = MMEname(name) => name.0.into_owned(),
                req served: ServedGUMMEIs = ServedGUMMEIs(served) => served,
            );
            FromMme::SetupResponse { name: name.unwrap_or_default(), gummeis: gummeis(&served) }
        }
        Kind::Unsuccessful_S1Setup => {
            extract_s1ap_ies!(pdu, S1SetupFailure,
                req cause: Cause = Cause(cause) => cause,
                lax time: TimeToWait = TimeToWait(time) => time,
            );
            FromMme::SetupFailure { cause: cause_words(&cause), wait: time.map(wait) }
        }
        Kind::Initiating_downlinkNASTransport => {
            extract_s1ap_ies!(pdu, DownlinkNASTransport,
                req mme: u32 = MME_UE_S1AP_ID(id),
                req enb: u32 = eNB_UE_S1AP_ID(id),
                req nas: Vec<u8> = NAS_PDU(nas) => nas.0.to_vec(),
            );
            FromMme::DownlinkNas { ids: Ids { mme, enb }, nas }
        }
        Kind::Initiating_InitialContextSetup => context_setup(pdu)?,
        Kind::Initiating_UEContextModification => {
            extract_s1ap_ies!(pdu, UEContextModificationRequest,
                req mme: u32 = MME_UE_S1AP_ID(id),
                req enb: u32 = eNB_UE_S1AP_ID(id),
            );
            FromMme::ContextModification { ids: Ids { mme, enb } }
        }
        Kind::Initiating_UEContextRelease => {
            extract_s1ap_ies!(pdu, UEContextReleaseCommand,
                req ids: UES1APIDs = UE_S1AP_IDs(ids) => ids,
                req cause: Cause = Cause(cause) => cause,
            );
            let (mme, enb) = match ids {
                UES1APIDs::uE_S1AP_ID_pair(pair) => (pair.mme_ue_s1ap_id.0, Some(pair.enb_ue_s1ap_id.0)),
                UES1APIDs::mME_UE_S1AP_ID(id) => (id.0, None),
                _ => return Ok(unknown(pdu)),
            };
            FromMme::ContextRelease { mme, enb, cause: cause_words(&cause) }
        }
        Kind::Initiating_E_RABSetup => {
            extract_s1ap_ies!(pdu, ERABSetupRequest,
                req mme: u32 = MME_UE_S1AP_ID(id),
                req enb: u32 = eNB_UE_S1AP_ID(id),
                req _list: ERABToBeSetupListBearerSUReq = E_RABToBeSetupListBearerSUReq(list) => list,
            );
            let mut erabs = Vec::new();
            for item in pdu.items::<ie::E_RABToBeSetupListBearerSUReq>() {
                let item = item?;
                erabs.extend(address(&item.transport_layer_address).map(|address| Erab {
                    id: number(&item.e_rab_id),
                    qci: item.e_rab_level_qos_parameters.qci.0,
                    address,
                    teid: u32::from_be_bytes(item.gtp_teid.0),
                    nas: Some(item.nas_pdu.0.to_vec()),
                }));
            }
            FromMme::ErabSetup { ids: Ids { mme, enb }, erabs }
        }
        Kind::Initiating_E_RABModify => {
            extract_s1ap_ies!(pdu, ERABModifyRequest,
                req mme: u32 = MME_UE_S1AP_ID(id),
                req enb: u32 = eNB_UE_S1AP_ID(id),
                req _list: ERABToBeModifiedListBearerModReq = E_RABToBeModifiedListBearerModReq(list) => list,
            );
            let mut erabs = Vec::new();
            for item in pdu.items::<ie::E_RABToBeModifiedListBearerModReq>() {
                let item = item?;
                erabs.push((number(&item.e_rab_id), item.nas_pdu.0.to_vec()));
            }
            FromMme::ErabModify { ids: Ids { mme, enb }, erabs }
        }
        Kind::Initiating_E_RABRelease => {
            extract_s1ap_ies!(pdu, ERABReleaseCommand,
                req mme: u32 = MME_UE_S1AP_ID(id),
                req enb: u32 = eNB_UE_S1AP_ID(id),
                opt nas: Vec<u8> = NAS_PDU(nas) => nas.0.to_vec(),
                req _list: ERABList = E_RABToBeReleasedList(list) => list,
            );
            let mut erabs = Vec::new();
            for item in pdu.items::<ie::E_RABToBeReleasedList>() {
                erabs.push(number(&item?.e_rab_id));
            }
            FromMme::ErabRelease { ids: Ids { mme, enb }, erabs, nas }
        }
        Kind::Initiating_Paging => {
            extract_s1ap_ies!(pdu, Paging,
                req id: UEPagingID = UEPagingID(id) => id,
            );
            match id {
                UEPagingID::s_TMSI(id) => {
                    FromMme::PagingByTmsi { mmec: id.mmec.0[0], m_tmsi: u32::from_be_bytes(id.m_tmsi.0) }
                }
                UEPagingID::iMSI(imsi) => FromMme::PagingByImsi(imsi.0.to_vec()),
                _ => unknown(pdu),
            }
        }
        Kind::Initiating_Reset => {
            extract_s1ap_ies!(pdu, Reset,
                req cause: Cause = Cause(cause) => cause,
                req kind: ResetType = ResetType(kind) => kind,
            );
            let part = match kind {
                ResetType::s1_Interface(_) => None,
                ResetType::partOfS1_Interface(list) => {
                    let mut part = Vec::new();
                    for field in &list.0 {
                        let item: UEAssociatedLogicalS1ConnectionItem = decode_open_type(&field.value)?;
                        part.push((item.mme_ue_s1ap_id.map(|id| id.0), item.enb_ue_s1ap_id.map(|id| id.0)));
                    }
                    Some(part)
                }
                _ => return Ok(unknown(pdu)),
            };
            FromMme::Reset { part, cause: cause_words(&cause) }
        }
        Kind::Successful_Reset => FromMme::ResetAcknowledged,
        Kind::Initiating_OverloadStart => FromMme::OverloadStart,
        Kind::Initiating_OverloadStop => FromMme::OverloadStop,
        Kind::Initiating_ErrorIndication => {
            extract_s1ap_ies!(pdu, ErrorIndication,
                lax mme: u32 = MME_UE_S1AP_ID(id),
                lax enb: u32 = eNB_UE_S1AP_ID(id),
                lax cause: Cause = Cause(cause) => cause,
            );
            let cause = cause.as_ref().map_or_else(|| "no cause given".to_owned(), cause_words);
            FromMme::ErrorIndication { mme, enb, cause }
        }
        Kind::Initiating_MMEConfigurationUpdate => FromMme::MmeConfigurationUpdate,
        _ => unknown(pdu),
    })
}

/// What this eNB does not do. A message that has no counterpart to refuse it with, but criticality reject, is answered
/// with ERROR INDICATION (§10.3.4.1).
fn unknown(pdu: &S1APPDU<'_>) -> FromMme {
    let reject = pdu.criticality() == Criticality::reject && matches!(pdu, S1APPDU::initiatingMessage(_));
    FromMme::Other { name: pdu.to_string(), reject }
}

fn context_setup(pdu: &S1APPDU<'_>) -> Result<FromMme, Error> {
    extract_s1ap_ies!(pdu, InitialContextSetupRequest,
        req mme: u32 = MME_UE_S1AP_ID(id),
        req enb: u32 = eNB_UE_S1AP_ID(id),
        lax ambr: UEAggregateMaximumBitrate = uEaggregateMaximumBitrate(ambr) => ambr,
        lax key: SecurityKey = SecurityKey(key) => key,
    );
    let mut erabs = Vec::new();
    for item in pdu.items::<ie::E_RABToBeSetupListCtxtSUReq>() {
        let item = item?;
        erabs.extend(address(&item.transport_layer_address).map(|address| Erab {
            id: number(&item.e_rab_id),
            qci: item.e_rab_level_qos_parameters.qci.0,
            address,
            teid: u32::from_be_bytes(item.gtp_teid.0),
            nas: item.nas_pdu.map(|nas| nas.0.to_vec()),
        }));
    }
    Ok(FromMme::ContextSetup {
        ids: Ids { mme, enb },
        erabs,
        key: key.and_then(|key| <[u8; 32]>::try_from(key.0.as_octets()).ok()).map(MmeKey),
        ambr: ambr
            .map(|ambr| (ambr.ue_aggregate_maximum_bit_rate_dl.0, ambr.ue_aggregate_maximum_bit_rate_ul.0)),
    })
}

/// Served GUMMEIs in words: network, group, code.
fn gummeis(served: &ServedGUMMEIs) -> Vec<String> {
    let mut all = Vec::new();
    for item in &served.0 {
        for plmn in &item.served_plmns.0 {
            let network = helpers::plmn_from(plmn)
                .map_or_else(|| "another network".to_owned(), |(mcc, mnc)| format!("{mcc}-{mnc}"));
            for group in &item.served_group_ids.0 {
                for code in &item.served_mmecs.0 {
                    all.push(format!("{network} group {} code {}", u16::from_be_bytes(group.0), code.0[0]));
                }
            }
        }
    }
    all
}

fn plmn(plmn: Plmn) -> Result<PLMNidentity, Error> {
    helpers::plmn(&plmn.mcc(), &plmn.mnc())
}

/// S1 SETUP REQUEST, §9.1.8.4.
pub(super) fn setup(config: &EnbConfig) -> Result<Vec<u8>, Error> {
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
pub(super) struct Temporary {
    pub(super) s_tmsi: (u8, u32),
    pub(super) gummei: (Plmn, u16, u8),
}

/// INITIAL UE MESSAGE, §9.1.7.1.
pub(super) fn initial(
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
pub(super) fn uplink(config: &EnbConfig, ids: Ids, nas: &[u8]) -> Result<Vec<u8>, Error> {
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

/// INITIAL CONTEXT SETUP RESPONSE, §9.1.4.3: where the eNB takes each bearer's packets.
pub(super) fn context_setup_response(ids: Ids, at: IpAddr, erabs: &[(u8, u32)]) -> Result<Vec<u8>, Error> {
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
    build_s1ap!(
        SuccessfulOutcome,
        InitialContextSetup,
        InitialContextSetupResponse,
        MME_UE_S1AP_ID(ids.mme),
        eNB_UE_S1AP_ID(ids.enb),
        E_RABSetupListCtxtSURes(ERABSetupListCtxtSURes(items)),
    )?
    .encode()
}

/// INITIAL CONTEXT SETUP FAILURE, §9.1.4.4.
pub(super) fn context_setup_failure(ids: Ids, cause: Cause) -> Result<Vec<u8>, Error> {
    build_s1ap!(
        UnsuccessfulOutcome,
        InitialContextSetup,
        InitialContextSetupFailure,
        MME_UE_S1AP_ID(ids.mme),
        eNB_UE_S1AP_ID(ids.enb),
        Cause(cause),
    )?
    .encode()
}

/// E-RABs that failed, each with its cause; a list has one at least, or is not there (§9.2.1.36).
fn failed(erabs: &[u8], cause: CauseRadioNetwork) -> Result<Option<ERABList<'static>>, Error> {
    let mut items = Vec::new();
    for id in erabs {
        let item = ERABItem::new(ERABID(u64::from(*id)), Cause::radioNetwork(cause), None);
        items.push(build_s1ap_ie!(IGNORE E_RABItem(item))?);
    }
    Ok((!items.is_empty()).then_some(ERABList(items)))
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

/// E-RAB SETUP RESPONSE, §9.1.3.2; `twice`: they were there already (§8.2.1.4).
pub(super) fn erab_setup_response(
    ids: Ids,
    at: IpAddr,
    erabs: &[(u8, u32)],
    twice: &[u8],
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
    let not = failed(twice, CauseRadioNetwork::multiple_E_RAB_ID_instances)?;
    about_erabs!(
        E_RABSetup,
        ERABSetupResponse,
        ids,
        E_RABSetupListBearerSURes(done),
        E_RABFailedToSetupListBearerSURes(not)
    )
}

/// E-RAB MODIFY RESPONSE, §9.1.3.4; `unknown`: this eNB does not have them (§8.2.2.2).
pub(super) fn erab_modify_response(ids: Ids, erabs: &[u8], unknown: &[u8]) -> Result<Vec<u8>, Error> {
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
pub(super) fn erab_release_response(ids: Ids, erabs: &[u8], unknown: &[u8]) -> Result<Vec<u8>, Error> {
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

/// UE CONTEXT RELEASE REQUEST, §9.1.4.5.
pub(super) fn release_request(ids: Ids, cause: CauseRadioNetwork) -> Result<Vec<u8>, Error> {
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
pub(super) fn release_complete(ids: Ids) -> Result<Vec<u8>, Error> {
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
pub(super) fn modification_response(ids: Ids) -> Result<Vec<u8>, Error> {
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
pub(super) fn reset(cause: CauseMisc) -> Result<Vec<u8>, Error> {
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
pub(super) fn reset_acknowledge(part: Option<&[(Option<u32>, Option<u32>)]>) -> Result<Vec<u8>, Error> {
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

/// ERROR INDICATION, §9.1.8.3.
pub(super) fn error_indication(ids: Option<Ids>, cause: Cause) -> Result<Vec<u8>, Error> {
    let pdu = match ids {
        None => build_s1ap!(InitiatingMessage, ErrorIndication, ErrorIndication, Cause(cause),),
        Some(ids) => build_s1ap!(
            InitiatingMessage,
            ErrorIndication,
            ErrorIndication,
            MME_UE_S1AP_ID(ids.mme),
            eNB_UE_S1AP_ID(ids.enb),
            Cause(cause),
        ),
    }?;
    pdu.encode()
}

/// MME CONFIGURATION UPDATE ACKNOWLEDGE, §9.1.8.11.
pub(super) fn configuration_acknowledge() -> Result<Vec<u8>, Error> {
    build_s1ap!(SuccessfulOutcome, MMEConfigurationUpdate, MMEConfigurationUpdateAcknowledge,)?.encode()
}
