//! EPS session management, TS 24.301 §6: bearers that the network activates, changes and takes away.

use std::fmt;
use std::net::Ipv4Addr;

use oxirush_nas::nas_eps::*;
use serde::Serialize;

use super::{EmmState, NasError, Output, Told, Ue, messages};

/// One EPS bearer of a UE.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bearer {
    /// EPS bearer identity, 5 to 15.
    pub ebi: u8,
    /// The default bearer that a dedicated one belongs to.
    pub linked: Option<u8>,
    /// Access point name.
    pub apn: String,
    /// The address that the UE was given.
    pub address: Option<Ipv4Addr>,
    /// Interface identifier of an IPv6 address (its last 8 octets).
    pub interface_id: Option<[u8; 8]>,
    /// QoS class identifier, TS 23.203 table 6.1.7.
    pub qci: Option<u8>,
    /// APN-AMBR down and up, kbit/s.
    pub ambr_kbps: Option<(u64, u64)>,
    /// DNS servers.
    pub dns: Vec<Ipv4Addr>,
    /// IPv4 link MTU, octets.
    pub mtu: Option<u16>,
}

impl fmt::Display for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bearer {}, APN {}", self.ebi, self.apn)?;
        if let Some(address) = self.address {
            write!(f, ", address {address}")?;
        }
        if let Some(qci) = self.qci {
            write!(f, ", QCI {qci}")?;
        }
        if let Some((down, up)) = self.ambr_kbps {
            write!(f, ", AMBR {down}/{up} kbit/s")?;
        }
        Ok(())
    }
}

/// The ESM cause that an ATTACH REJECT carries in a PDN CONNECTIVITY REJECT (§5.5.1.2.5, #19).
pub(super) fn reject_cause(container: &NasEsmMessageContainer) -> Option<u8> {
    match NasEpsMessage::decode(&container.value).ok()? {
        NasEpsMessage::Esm(_, NasEsmMessage::PdnConnectivityReject(reject)) => {
            Some(reject.esm_cause.cause_raw())
        }
        _ => None,
    }
}

/// EPS bearer identities that a network can give (§9.3.2).
const GIVEN: std::ops::RangeInclusive<u8> = 5..=15;

impl Ue {
    pub(super) fn esm(&mut self, header: &NasEsmHeader, message: NasEsmMessage) -> Result<(), NasError> {
        let ebi = header.eps_bearer_identity;
        let pti = header.procedure_transaction_identity;
        if self.state == EmmState::Deregistered {
            // Without an EMM context there are no bearers (§6.1.1): what was put down now would be the next attach's.
            let name = NasEpsMessage::new_esm(message, ebi, pti);
            self.tell(Told::Discarded(format!("{name}, and the UE is not registered")));
            return Ok(());
        }
        let answer: NasEsmMessage = match message {
            NasEsmMessage::EsmInformationRequest(_) => {
                let response = messages::esm_information(pti, self.options.apn.as_deref())?;
                return self.send(&response);
            }
            NasEsmMessage::ActivateDefaultEpsBearerContextRequest(request) => {
                let bearer = self.activate(ebi, &request, None)?;
                self.tell(Told::BearerActive(bearer));
                NasActivateDefaultEpsBearerContextAccept::new().into()
            }
            NasEsmMessage::ActivateDedicatedEpsBearerContextRequest(request) => {
                let linked = request.linked_eps_bearer_identity.value & 0x0f;
                // §6.4.2.4: it belongs to a default bearer, and takes the place of none.
                let default = self.bearers.get(&linked).filter(|bearer| bearer.linked.is_none());
                let taken = self.bearers.get(&ebi).is_some_and(|bearer| bearer.linked.is_none());
                let Some(default) = default.filter(|_| GIVEN.contains(&ebi) && !taken) else {
                    let cause = NasEsmCause::from_cause(EsmCause::InvalidEpsBearerIdentity);
                    let reject = NasActivateDedicatedEpsBearerContextReject::new(cause);
                    return self.send(&NasEpsMessage::new_esm(reject, ebi, 0));
                };
                let qci = request.eps_qos.qos().map(|qos| qos.qci);
                let bearer = Bearer { ebi, linked: Some(linked), qci, ..default.clone() };
                self.bearers.insert(ebi, bearer.clone());
                self.tell(Told::BearerActive(bearer));
                NasActivateDedicatedEpsBearerContextAccept::new().into()
            }
            NasEsmMessage::ModifyEpsBearerContextRequest(request) => {
                let Some(bearer) = self.bearers.get_mut(&ebi) else {
                    // §6.4.3.4.
                    let cause = NasEsmCause::from_cause(EsmCause::InvalidEpsBearerIdentity);
                    return self.send(&NasEpsMessage::new_esm(
                        NasModifyEpsBearerContextReject::new(cause),
                        ebi,
                        0,
                    ));
                };
                if let Some(qos) = request.new_eps_qos.as_ref().and_then(NasEpsQualityOfService::qos) {
                    bearer.qci = Some(qos.qci);
                }
                if let Some(ambr) = &request.apn_ambr {
                    bearer.ambr_kbps = ambr.downlink_kbps().zip(ambr.uplink_kbps());
                }
                let bearer = bearer.clone();
                self.tell(Told::BearerActive(bearer));
                NasModifyEpsBearerContextAccept::new().into()
            }
            NasEsmMessage::DeactivateEpsBearerContextRequest(_) => {
                // §6.4.4.3: with a default bearer go the dedicated ones.
                let gone: Vec<u8> = self
                    .bearers
                    .values()
                    .filter(|bearer| bearer.ebi == ebi || bearer.linked == Some(ebi))
                    .map(|bearer| bearer.ebi)
                    .collect();
                for ebi in gone {
                    self.bearers.remove(&ebi);
                    self.tell(Told::BearerGone(ebi));
                }
                NasDeactivateEpsBearerContextAccept::new().into()
            }
            NasEsmMessage::EsmStatus(status) => {
                self.tell(Told::Status(format!("ESM: {}", status.esm_cause.description())));
                return Ok(());
            }
            other => {
                let name = NasEpsMessage::new_esm(other, ebi, pti).to_string();
                self.tell(Told::Discarded(format!("{name} is not foreseen")));
                return self.esm_status(ebi, pti, EsmCause::MessageTypeNonExistentOrNotImplemented);
            }
        };
        // Answers to the network's procedures have PTI 0 (§9.4, §6.4).
        self.send(&NasEpsMessage::new_esm(answer, ebi, 0))
    }

    /// The radio bearer of a dedicated bearer is gone: so is the bearer, and nobody is told (§6.4.4.6). `None`: there is
    /// none of this identity.
    pub fn bearer_lost(&mut self, ebi: u8) -> Option<Vec<Output>> {
        self.bearers.get(&ebi)?.linked?;
        self.bearers.remove(&ebi);
        self.tell(Told::BearerGone(ebi));
        Some(self.flush())
    }

    /// §6.7.
    fn esm_status(&mut self, ebi: u8, pti: u8, cause: EsmCause) -> Result<(), NasError> {
        let status = NasEsmStatus::new(NasEsmCause::from_cause(cause));
        self.send(&NasEpsMessage::new_esm(status, ebi, pti))
    }

    /// Puts down the default bearer that the network activates.
    pub(super) fn activate(
        &mut self,
        ebi: u8,
        request: &NasActivateDefaultEpsBearerContextRequest,
        linked: Option<u8>,
    ) -> Result<Bearer, NasError> {
        if !GIVEN.contains(&ebi) {
            return Err(NasError::Codec(format!("EPS bearer identity {ebi}: 5 to 15 are there to be given")));
        }
        let options = request
            .protocol_configuration_options
            .as_ref()
            .and_then(|options| options.pco(PcoDirection::Downlink));
        let address = request.pdn_address.ipv4().map(Ipv4Addr::from);
        let bearer = Bearer {
            ebi,
            linked,
            apn: request.access_point_name.as_string().unwrap_or_default(),
            address: address.filter(of_a_host),
            interface_id: request.pdn_address.ipv6_interface_id(),
            qci: request.eps_qos.qos().map(|qos| qos.qci),
            ambr_kbps: request
                .apn_ambr
                .as_ref()
                .and_then(|ambr| ambr.downlink_kbps().zip(ambr.uplink_kbps())),
            dns: options.as_ref().map(dns).unwrap_or_default(),
            mtu: options.as_ref().and_then(mtu),
        };
        self.bearers.insert(ebi, bearer.clone());
        Ok(bearer)
    }
}

/// Container 000DH, once for each server (TS 24.008 §10.5.6.3).
fn dns(options: &Pco) -> Vec<Ipv4Addr> {
    let servers = options.entries.iter().filter(|entry| entry.identifier == 0x000d);
    servers
        .filter_map(|entry| <[u8; 4]>::try_from(entry.contents.as_slice()).ok())
        .map(Ipv4Addr::from)
        .collect()
}

/// Container 0010H. Less than every link has is no answer: there is no IP over such a link.
fn mtu(options: &Pco) -> Option<u16> {
    let entry = options.entry(0x0010)?;
    let mtu = <[u8; 2]>::try_from(entry.contents.as_slice()).ok().map(u16::from_be_bytes);
    mtu.filter(|mtu| *mtu >= LEAST_MTU)
}

/// Octets that go over every link at least, RFC 791 §3.2.
const LEAST_MTU: u16 = 68;

/// Whether a host can have this address on a link (RFC 1122 §3.2.1.3): an IP stack takes no other, and what is sent from
/// one of this machine's own would go to the network.
fn of_a_host(address: &Ipv4Addr) -> bool {
    let other =
        address.is_unspecified() || address.is_loopback() || address.is_multicast() || address.is_broadcast();
    !other
}
