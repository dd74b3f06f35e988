//! What an MME sends, read.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use oxirush_s1ap::helpers;
use oxirush_s1ap::s1ap::*;
use oxirush_s1ap::{Error, S1apPduKind, extract_s1ap_ies, ie};

use super::faults::{self, Answer, Verdict};
use super::{Erab, FromMme, Ids, MmeKey, cause_words};

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

/// E-RAB identity, 0 to 15 and an extension that nobody uses (§9.2.1.2).
fn number(id: &ERABID) -> u8 {
    u8::try_from(id.0).unwrap_or(u8::MAX)
}

/// The bearers that a message asks for.
#[derive(Default)]
struct Asked {
    erabs: Vec<Erab>,
    /// Those that cannot be set up, and why.
    not: Vec<(u8, Cause)>,
}

impl Asked {
    fn take(&mut self, id: u8, address: Option<IpAddr>, erab: impl FnOnce(u8, IpAddr) -> Erab) {
        // §8.2.1.4, §8.3.1.4: of those that have one identity none is set up.
        let again = self.not.iter().any(|(there, _)| *there == id);
        if let Some(first) = self.erabs.iter().position(|there| there.id == id) {
            self.erabs.remove(first);
            self.not.push((id, Cause::radioNetwork(CauseRadioNetwork::multiple_E_RAB_ID_instances)));
        } else if again {
            // It is named already.
        } else if let Some(address) = address {
            self.erabs.push(erab(id, address));
        } else {
            self.not.push((id, Cause::transport(CauseTransport::transport_resource_unavailable)));
        }
    }
}

/// Why a message of the MME cannot be acted upon.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(in super::super) enum Unreadable {
    /// It is no S1AP at all (§10.2).
    #[error("{0}")]
    Transfer(Error),
    /// Something that has to be there is not, or makes no sense (§10.3); what the MME is told.
    #[error("{0}")]
    Abstract(String, Option<Answer>),
}

/// A message of the MME that is acted upon.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Read {
    /// It.
    pub(in super::super) message: FromMme,
    /// What was passed over in it and has to be told (criticality notify, §10.3.4.2): in words, and the answer.
    pub(in super::super) passed_over: Option<(String, Option<Answer>)>,
}

/// Reads a message of the MME.
pub(in super::super) fn read(octets: &[u8]) -> Result<Read, Unreadable> {
    let pdu = S1AP_PDU::decode_borrowed(octets).map_err(Unreadable::Transfer)?;
    let content = content(&pdu);
    if let Ok(message @ FromMme::Other { .. }) = content {
        return Ok(Read { message, passed_over: None });
    }
    let passed_over = match faults::judge(&pdu) {
        Verdict::Good => None,
        Verdict::Notify(why, answer) => Some((why, answer)),
        Verdict::Reject(why, answer) => return Err(Unreadable::Abstract(why, answer)),
    };
    match content {
        Ok(message) => Ok(Read { message, passed_over }),
        Err(error) => Err(Unreadable::Abstract(error.to_string(), faults::unreadable(&pdu, &error))),
    }
}

/// A cause that has to be there, and may be missing all the same (criticality ignore).
fn cause_or_none(cause: Option<&Cause>) -> String {
    cause.map_or_else(|| "no cause given".to_owned(), cause_words)
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
                lax cause: Cause = Cause(cause) => cause,
            );
            let (mme, enb) = match ids {
                UES1APIDs::uE_S1AP_ID_pair(pair) => (pair.mme_ue_s1ap_id.0, Some(pair.enb_ue_s1ap_id.0)),
                UES1APIDs::mME_UE_S1AP_ID(id) => (id.0, None),
                _ => return Ok(unknown(pdu)),
            };
            FromMme::ContextRelease { mme, enb, cause: cause_or_none(cause.as_ref()) }
        }
        Kind::Initiating_E_RABSetup => {
            extract_s1ap_ies!(pdu, ERABSetupRequest,
                req mme: u32 = MME_UE_S1AP_ID(id),
                req enb: u32 = eNB_UE_S1AP_ID(id),
                req _list: ERABToBeSetupListBearerSUReq = E_RABToBeSetupListBearerSUReq(list) => list,
            );
            let mut asked = Asked::default();
            for item in pdu.items::<ie::E_RABToBeSetupListBearerSUReq>() {
                let item = item?;
                asked.take(number(&item.e_rab_id), address(&item.transport_layer_address), |id, address| {
                    Erab {
                        id,
                        qci: item.e_rab_level_qos_parameters.qci.0,
                        address,
                        teid: u32::from_be_bytes(item.gtp_teid.0),
                        nas: Some(item.nas_pdu.0.to_vec()),
                    }
                });
            }
            let Asked { erabs, not } = asked;
            FromMme::ErabSetup { ids: Ids { mme, enb }, erabs, not }
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
                lax cause: Cause = Cause(cause) => cause,
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
            FromMme::Reset { part, cause: cause_or_none(cause.as_ref()) }
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
            FromMme::ErrorIndication { mme, enb, cause: cause_or_none(cause.as_ref()) }
        }
        Kind::Initiating_MMEConfigurationUpdate => FromMme::MmeConfigurationUpdate,
        _ => unknown(pdu),
    })
}

/// What this eNB does not do.
fn unknown(pdu: &S1APPDU<'_>) -> FromMme {
    FromMme::Other { name: pdu.to_string(), answer: faults::unknown_procedure(pdu) }
}

fn context_setup(pdu: &S1APPDU<'_>) -> Result<FromMme, Error> {
    extract_s1ap_ies!(pdu, InitialContextSetupRequest,
        req mme: u32 = MME_UE_S1AP_ID(id),
        req enb: u32 = eNB_UE_S1AP_ID(id),
        lax ambr: UEAggregateMaximumBitrate = uEaggregateMaximumBitrate(ambr) => ambr,
        lax key: SecurityKey = SecurityKey(key) => key,
    );
    let mut asked = Asked::default();
    for item in pdu.items::<ie::E_RABToBeSetupListCtxtSUReq>() {
        let item = item?;
        asked.take(number(&item.e_rab_id), address(&item.transport_layer_address), |id, address| Erab {
            id,
            qci: item.e_rab_level_qos_parameters.qci.0,
            address,
            teid: u32::from_be_bytes(item.gtp_teid.0),
            nas: item.nas_pdu.map(|nas| nas.0.to_vec()),
        });
    }
    let Asked { erabs, not } = asked;
    Ok(FromMme::ContextSetup {
        ids: Ids { mme, enb },
        erabs,
        not,
        key: key.and_then(|key| <[u8; 32]>::try_from(key.0.as_octets()).ok()).map(MmeKey),
        ambr: ambr
            .map(|ambr| (ambr.ue_aggregate_maximum_bit_rate_dl.0, ambr.ue_aggregate_maximum_bit_rate_ul.0)),
    })
}

/// So many GUMMEIs of an MME are named. One item stands for each of its up to 32 networks with each of its up to 65,535
/// groups and each of its 256 codes (§9.2.1.75): written out, a message of 130,000 octets would be gigabytes of words.
const NAMED: usize = 16;

/// Served GUMMEIs in words: network, group, code; of many, how many more there are.
fn gummeis(served: &ServedGUMMEIs) -> Vec<String> {
    let items = served.0.iter();
    let all: usize = items
        .clone()
        .map(|item| item.served_plmns.0.len() * item.served_group_ids.0.len() * item.served_mmecs.0.len())
        .sum();
    let each = items.flat_map(|item| {
        item.served_plmns.0.iter().flat_map(move |plmn| {
            let groups = item.served_group_ids.0.iter();
            groups.flat_map(move |group| item.served_mmecs.0.iter().map(move |code| (plmn, group, code)))
        })
    });
    let mut named: Vec<String> = each
        .take(NAMED)
        .map(|(plmn, group, code)| {
            let network = helpers::plmn_from(plmn)
                .map_or_else(|| "another network".to_owned(), |(mcc, mnc)| format!("{mcc}-{mnc}"));
            format!("{network} group {} code {}", u16::from_be_bytes(group.0), code.0[0])
        })
        .collect();
    if all > NAMED {
        named.push(format!("{} more", all - NAMED));
    }
    named
}
