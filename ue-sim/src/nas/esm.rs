//! EPS session management, TS 24.301 §6: bearers that the network activates, changes and takes away.

use oxirush_nas::nas_eps::*;

use super::bearer::{Bearer, ambr_kbps};
use super::received::{self, EsmHeader, Fault};
use super::{EmmState, NasError, Output, Told, Ue, Way, messages};

/// The ESM cause that an ATTACH REJECT carries in a PDN CONNECTIVITY REJECT (§5.5.1.2.5, #19).
pub(super) fn reject_cause(container: &NasEsmMessageContainer) -> Option<u8> {
    match NasEpsMessage::decode(&container.value).ok()? {
        NasEpsMessage::Esm(_, NasEsmMessage::PdnConnectivityReject(reject)) => {
            Some(reject.esm_cause.cause_raw())
        }
        _ => None,
    }
}

/// EPS bearer identities that a network can give (§9.3.2). 1 to 4 are reserved for a UE that does not say that it has
/// fifteen bearers.
const GIVEN: std::ops::RangeInclusive<u8> = 5..=15;

/// No procedure transaction identity, and the reserved one (TS 24.007 §11.2.3.1a).
const NO_PTI: u8 = 0;
const RESERVED_PTI: u8 = 255;

impl Ue {
    /// Takes an ESM message whose protection is verified.
    pub(super) fn esm(
        &mut self,
        octets: &[u8],
        protection: NasEpsSecurityHeaderType,
    ) -> Result<(), NasError> {
        let header = match received::esm_header(octets) {
            Ok(header) => header,
            Err(fault) => return self.fault(fault),
        };
        let read = received::esm(header, octets);
        if let Ok(message) = &read {
            let whole = NasEpsMessage::new_esm(message.clone(), header.ebi, header.pti);
            self.told_message(Way::Down, protection, &whole);
            self.told_passed_over(&whole);
        }
        if self.state == EmmState::Deregistered {
            // Without an EMM context there are no bearers (§6.1.1): what was put down now would be the next attach's.
            self.tell(Told::Discarded(format!("{:?}, and the UE is not registered", header.kind)));
            return Ok(());
        }
        if let Err(fault) = self.identities(header) {
            return self.fault(fault);
        }
        match read {
            Ok(message) => self.act_upon(header, message),
            Err(fault) => {
                if header.kind == NasEsmMessageType::DeactivateEpsBearerContextRequest {
                    // §7.5.3 d: it is confirmed, whatever is wrong with it.
                    self.deactivate(header.ebi);
                }
                self.fault(fault)
            }
        }
    }

    /// §7.3: what is told of a message whose identities belong to nothing.
    fn identities(&self, header: EsmHeader) -> Result<(), Fault> {
        use NasEsmMessageType as Type;
        let EsmHeader { ebi, pti, kind } = header;
        let fault = |cause, why: String| Err(Fault::esm(header, cause, format!("{kind:?}: {why}")));
        let invalid = || fault(EsmCause::InvalidPtiValue, format!("PTI {pti} is none of a procedure"));
        let mismatch =
            || fault(EsmCause::PtiMismatch, format!("PTI {pti}, and no procedure of the UE has it"));
        let no_bearer = || {
            fault(
                EsmCause::InvalidEpsBearerIdentity,
                format!("EPS bearer identity {ebi} is none of a bearer"),
            )
        };
        // The UE has one procedure of its own, the PDN connectivity procedure of its attach.
        let in_use = pti == self.pti && self.state == EmmState::RegisteredInitiated;
        match kind {
            Type::ActivateDefaultEpsBearerContextRequest => {
                let again = pti == self.pti && self.has_default_bearer(ebi);
                match pti {
                    NO_PTI | RESERVED_PTI => invalid(),
                    _ if !in_use && !again => mismatch(),
                    _ if !GIVEN.contains(&ebi) => no_bearer(),
                    _ => Ok(()),
                }
            }
            Type::ActivateDedicatedEpsBearerContextRequest | Type::ModifyEpsBearerContextRequest => {
                let there = kind == Type::ActivateDedicatedEpsBearerContextRequest && GIVEN.contains(&ebi)
                    || self.bearers.contains_key(&ebi);
                match pti {
                    RESERVED_PTI => invalid(),
                    // The UE asks for no bearer resources.
                    pti if pti != NO_PTI => mismatch(),
                    _ if !there => no_bearer(),
                    _ => Ok(()),
                }
            }
            Type::EsmInformationRequest
            | Type::PdnConnectivityReject
            | Type::PdnDisconnectReject
            | Type::BearerResourceAllocationReject
            | Type::BearerResourceModificationReject => match pti {
                NO_PTI | RESERVED_PTI => invalid(),
                _ if !in_use => mismatch(),
                _ => Ok(()),
            },
            // A deactivation is confirmed whether there is such a bearer or not; a status is answered by nobody.
            _ => Ok(()),
        }
    }

    fn has_default_bearer(&self, ebi: u8) -> bool {
        self.bearers.get(&ebi).is_some_and(|bearer| bearer.linked.is_none())
    }

    fn act_upon(&mut self, header: EsmHeader, message: NasEsmMessage) -> Result<(), NasError> {
        let EsmHeader { ebi, pti, kind } = header;
        let answer: NasEsmMessage = match message {
            NasEsmMessage::EsmInformationRequest(_) => {
                let response = messages::esm_information(pti, self.options.apn.as_deref())?;
                return self.send(&response);
            }
            NasEsmMessage::ActivateDefaultEpsBearerContextRequest(request) => {
                let bearer = Bearer::activated(ebi, &request);
                // Once more what is there already is a repetition, whose answer was lost (§7.3.1).
                if self.bearers.get(&ebi) != Some(&bearer) {
                    self.put_down_bearer(&bearer);
                    self.tell(Told::BearerActive(bearer));
                }
                NasActivateDefaultEpsBearerContextAccept::new().into()
            }
            NasEsmMessage::ActivateDedicatedEpsBearerContextRequest(request) => {
                match self.dedicated(ebi, &request) {
                    Ok(bearer) => {
                        self.bearers.insert(ebi, bearer.clone());
                        self.tell(Told::BearerActive(bearer));
                        NasActivateDedicatedEpsBearerContextAccept::new().into()
                    }
                    Err((cause, why)) => return self.fault(Fault::esm(header, cause, why)),
                }
            }
            NasEsmMessage::ModifyEpsBearerContextRequest(request) => {
                if let Some(Err(error)) = request.tft.as_ref().map(NasTrafficFlowTemplate::parse_tft) {
                    // §6.4.3.4.
                    let why = format!("{kind:?}: TFT: {error:?}");
                    return self.fault(Fault::esm(header, error.esm_cause(), why));
                }
                let Some(bearer) = self.bearers.get_mut(&ebi) else { return Ok(()) };
                // A QoS that cannot be used is as one that is not there (§7.7.1).
                if let Some(Ok(qci)) = request.new_eps_qos.as_ref().map(received::usable_qos) {
                    bearer.qci = Some(qci);
                }
                if let Some(ambr) = request.apn_ambr.as_ref().and_then(ambr_kbps) {
                    bearer.ambr_kbps = Some(ambr);
                }
                let bearer = bearer.clone();
                self.tell(Told::BearerActive(bearer));
                NasModifyEpsBearerContextAccept::new().into()
            }
            NasEsmMessage::DeactivateEpsBearerContextRequest(_) => {
                self.deactivate(ebi);
                NasDeactivateEpsBearerContextAccept::new().into()
            }
            NasEsmMessage::EsmStatus(status) => {
                self.tell(Told::Status(format!("ESM: {}", status.esm_cause.description())));
                return Ok(());
            }
            NasEsmMessage::PdnConnectivityReject(reject) => {
                // Within an attach the ATTACH REJECT follows, and ends it (§6.5.1.4.1).
                let cause = reject.esm_cause.cause_raw();
                self.tell(Told::Status(format!("ESM: {kind:?} #{cause}, {}", super::cause::esm(cause))));
                return Ok(());
            }
            _ => {
                let why = format!("{kind:?}: the UE has asked for nothing of the kind");
                return self.fault(Fault::esm(
                    header,
                    EsmCause::MessageTypeNotCompatibleWithTheProtocolState,
                    why,
                ));
            }
        };
        // Answers to the network's procedures have PTI 0 (§9.4, §6.4).
        self.send(&NasEpsMessage::new_esm(answer, ebi, NO_PTI))
    }

    /// §6.4.2: a dedicated bearer belongs to a default one, takes the place of none, and has packet filters of its own.
    fn dedicated(
        &self,
        ebi: u8,
        request: &NasActivateDedicatedEpsBearerContextRequest,
    ) -> Result<Bearer, (EsmCause, String)> {
        let linked = request.linked_eps_bearer_identity.value & 0x0f;
        let default = self.bearers.get(&linked).filter(|bearer| bearer.linked.is_none());
        let Some(default) = default.filter(|_| !self.has_default_bearer(ebi)) else {
            let why = format!("a dedicated bearer {ebi} of {linked}, which is no default bearer or itself");
            return Err((EsmCause::InvalidEpsBearerIdentity, why));
        };
        // §6.4.2.4 a to c.
        let tft = request.tft.parse_tft().map_err(|error| (error.esm_cause(), format!("TFT: {error:?}")))?;
        if tft.operation != TftOperation::Create {
            let why = format!("TFT operation {:?} for a bearer that has no TFT yet", tft.operation);
            return Err((EsmCause::SemanticErrorInTheTftOperation, why));
        }
        let qci = request.eps_qos.qos().map(|qos| qos.qci);
        Ok(Bearer { ebi, linked: Some(linked), qci, ..default.clone() })
    }

    /// §6.4.4.3: with a default bearer go the dedicated ones.
    fn deactivate(&mut self, ebi: u8) {
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
    }

    /// The radio bearer of a dedicated bearer is gone: so is the bearer, and nobody is told (§6.4.4.6). `None`: there is
    /// none of this identity.
    pub fn bearer_lost(&mut self, ebi: u8) -> Option<Vec<Output>> {
        self.bearers.get(&ebi)?.linked?;
        self.bearers.remove(&ebi);
        self.tell(Told::BearerGone(ebi));
        Some(self.flush())
    }

    /// Reads the default bearer of an ATTACH ACCEPT.
    ///
    /// # Errors
    /// If its ESM message activates none, or in a way that cannot be used.
    pub(super) fn default_bearer(&self, container: &NasEsmMessageContainer) -> Result<Bearer, Fault> {
        let octets = &container.value;
        let header = received::esm_header(octets)?;
        self.identities(header)?;
        match received::esm(header, octets)? {
            NasEsmMessage::ActivateDefaultEpsBearerContextRequest(request) => {
                Ok(Bearer::activated(header.ebi, &request))
            }
            _ => {
                let why = format!("{:?}, which activates no default bearer", header.kind);
                Err(Fault::esm(header, EsmCause::MessageTypeNotCompatibleWithTheProtocolState, why))
            }
        }
    }

    /// Puts a default bearer down. One that had its identity goes with what belonged to it (§6.4.1.5).
    pub(super) fn put_down_bearer(&mut self, bearer: &Bearer) {
        self.bearers.retain(|_, there| there.linked != Some(bearer.ebi));
        self.bearers.insert(bearer.ebi, bearer.clone());
    }
}
