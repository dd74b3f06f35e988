//! What the MME sends: whether it may be acted upon (TS 24.301 §4.4.4.2), and who acts.

use std::time::Duration;

use oxirush_nas::common::Validate as _;
use oxirush_nas::nas_eps::*;

use super::{EmmState, NasError, Output, Procedure, Told, Ue, Way, messages};

/// A message, with how it was protected.
pub(super) struct Received {
    pub(super) message: NasEpsMessage,
    pub(super) header: NasEpsSecurityHeaderType,
}

impl Ue {
    /// Takes a NAS message of the MME.
    pub fn downlink(&mut self, octets: &[u8]) -> Vec<Output> {
        if let Err(error) = self.take(octets) {
            self.tell(Told::Discarded(error.to_string()));
        }
        self.flush()
    }

    fn take(&mut self, octets: &[u8]) -> Result<(), NasError> {
        let message = NasEpsMessage::decode_with_direction(octets, Direction::Downlink)?;
        let Some(received) = self.verified(octets, message)? else { return Ok(()) };
        self.told_message(Way::Down, received.header, &received.message);
        let secured = received.header != NasEpsSecurityHeaderType::PlainNasMessageNotSecurityProtected;
        // §4.4.4.2: the few that are taken plain are so only until secure exchange is established.
        let plain = !self.secured;
        match received.message {
            NasEpsMessage::Emm(_, message) if secured || plain && processed_plain(&message) => {
                self.emm(message, secured)
            }
            NasEpsMessage::Esm(header, message) if secured => self.esm(&header, message),
            other => {
                self.tell(Told::Discarded(unprotected(&other)));
                Ok(())
            }
        }
    }

    /// Checks the protection; `None`: it is dealt with, or not acted upon.
    fn verified(&mut self, octets: &[u8], message: NasEpsMessage) -> Result<Option<Received>, NasError> {
        let NasEpsMessage::SecurityProtected(header, inner) = message else {
            let header = NasEpsSecurityHeaderType::PlainNasMessageNotSecurityProtected;
            return Ok(Some(Received { message, header }));
        };
        if let NasEpsMessage::Emm(_, NasEmmMessage::SecurityModeCommand(command)) = inner.as_ref() {
            self.security_mode(octets, command)?;
            return Ok(None);
        }
        let Some(context) = &mut self.context else {
            // §4.4.4.2: without a context the few that are taken plain are taken so as well.
            let header = NasEpsSecurityHeaderType::PlainNasMessageNotSecurityProtected;
            return match inner.as_ref() {
                NasEpsMessage::Emm(..) => Ok(Some(Received { message: *inner, header })),
                _ => {
                    self.tell(Told::Discarded("a ciphered message, and there is no security context".into()));
                    Ok(None)
                }
            };
        };
        match context.nas.unprotect(octets, Direction::Downlink) {
            Ok(verified) => {
                self.secured = true;
                let header = header.security_header_type;
                Ok(Some(Received { message: verified.message, header }))
            }
            // §4.4.4.2: these few are taken although they do not verify, as if they were plain.
            Err(error) => match inner.as_ref() {
                NasEpsMessage::Emm(_, message) if !self.secured && processed_plain(message) => {
                    let header = NasEpsSecurityHeaderType::PlainNasMessageNotSecurityProtected;
                    Ok(Some(Received { message: *inner, header }))
                }
                _ => {
                    self.tell(Told::Discarded(error.to_string()));
                    Ok(None)
                }
            },
        }
    }

    /// `secured`: its protection was verified.
    fn emm(&mut self, message: NasEmmMessage, secured: bool) -> Result<(), NasError> {
        match message {
            NasEmmMessage::IdentityRequest(request) => self.identity(&request),
            NasEmmMessage::AuthenticationRequest(request) => self.authentication(&request),
            NasEmmMessage::AuthenticationReject(_) => {
                if self.state == EmmState::Deregistered {
                    self.tell(Told::Discarded("an AUTHENTICATION REJECT, and nothing is under way".into()));
                    return Ok(());
                }
                // §5.4.2.5: GUTI and keys are deleted.
                self.forget();
                self.tell(Told::AuthenticationRejected);
                self.authentication_rejected(secured);
                if self.state == EmmState::RegisteredInitiated {
                    self.finish(EmmState::Deregistered);
                } else {
                    self.left(true, false, None);
                }
                Ok(())
            }
            NasEmmMessage::AttachAccept(accept) => self.attach_accept(&accept),
            NasEmmMessage::AttachReject(reject) => {
                let esm_cause = reject.esm_message_container.as_ref().and_then(super::esm::reject_cause);
                let back_off = reject.t3346_value.as_ref().and_then(NasGprsTimer2::to_seconds);
                let cause = reject.emm_cause.cause_raw();
                self.refused(Procedure::Attach, (cause, secured), esm_cause, back_off);
                Ok(())
            }
            NasEmmMessage::TrackingAreaUpdateAccept(accept) => self.update_accept(&accept),
            NasEmmMessage::TrackingAreaUpdateReject(reject) => {
                let back_off = reject.t3346_value.as_ref().and_then(NasGprsTimer2::to_seconds);
                let cause = reject.emm_cause.cause_raw();
                self.refused(Procedure::TrackingAreaUpdate, (cause, secured), None, back_off);
                Ok(())
            }
            NasEmmMessage::ServiceReject(reject) => {
                let back_off = reject.t3346_value.as_ref().and_then(NasGprsTimer2::to_seconds);
                self.refused(Procedure::Service, (reject.emm_cause.cause_raw(), secured), None, back_off);
                Ok(())
            }
            NasEmmMessage::DetachAccept(_) => {
                if self.state == EmmState::DeregisteredInitiated {
                    self.left(false, false, None);
                }
                Ok(())
            }
            NasEmmMessage::DetachRequestUeTerminated(request) => self.detached_by_network(&request),
            NasEmmMessage::GutiReallocationCommand(command) => {
                self.take_guti(Some(&command.guti));
                self.send(&NasEpsMessage::new_emm(NasGutiReallocationComplete::new()))
            }
            NasEmmMessage::EmmInformation(information) => {
                let name = information.full_name_for_network.or(information.short_name_for_network);
                if let Some(name) = name {
                    self.tell(Told::NetworkName(name.to_string()));
                }
                Ok(())
            }
            NasEmmMessage::EmmStatus(status) => {
                self.tell(Told::Status(format!("EMM: {}", status.emm_cause.description())));
                Ok(())
            }
            other => {
                // §7.4: not foreseen, or not for a UE without CS services.
                self.tell(Told::Discarded(format!("{} is not foreseen", NasEpsMessage::new_emm(other))));
                let cause = messages::emm_cause(EmmCause::MessageTypeNonExistentOrNotImplemented.as_u8());
                self.send(&NasEpsMessage::new_emm(NasEmmStatus::new(cause)))
            }
        }
    }

    /// §5.4.4: IMSI, IMEI or IMEISV; of nothing else is there any.
    fn identity(&mut self, request: &NasIdentityRequest) -> Result<(), NasError> {
        let imei = &self.device.imei;
        let identity = match request.identity_type.identity_type() {
            IdentityType::Imsi => NasMobileIdentity::from_imsi(&self.imsi().to_string())?,
            IdentityType::Imei if imei.len() == 15 => NasMobileIdentity::from_imei(imei)?,
            IdentityType::Imei => NasMobileIdentity::from_imei_tac_snr(imei)?,
            IdentityType::Imeisv => self.imeisv()?,
            _ => NasMobileIdentity::from_no_identity(),
        };
        self.send(&NasEpsMessage::new_emm(NasIdentityResponse::new(identity)))
    }

    /// Sixteen digits: TAC and SNR, and a software version (TS 23.003 §6.2.2).
    pub(super) fn imeisv(&self) -> Result<NasMobileIdentity, NasError> {
        let tac_snr: String = self.device.imei.chars().take(14).collect();
        Ok(NasMobileIdentity::from_imeisv(&format!("{tac_snr}01"))?)
    }

    fn attach_accept(&mut self, accept: &NasAttachAccept) -> Result<(), NasError> {
        if self.state != EmmState::RegisteredInitiated {
            self.tell(Told::Discarded("an ATTACH ACCEPT, and no attach is under way".into()));
            return Ok(());
        }
        // A broken bearer ends the attach: there is no EPS registration without one (§5.5.1.2.6 c).
        let esm = NasEpsMessage::decode(&accept.esm_message_container.value)?;
        let NasEpsMessage::Esm(header, NasEsmMessage::ActivateDefaultEpsBearerContextRequest(request)) = esm
        else {
            return Err(NasError::Codec("the ATTACH ACCEPT activates no default bearer".into()));
        };
        let faults = request.validate();
        if let Some(fault) = faults.first() {
            return Err(NasError::Codec(fault.to_string()));
        }
        let bearer = self.activate(header.eps_bearer_identity, &request, None)?;
        self.take_guti(accept.guti.as_ref());
        self.finish(EmmState::Registered);
        self.allowed_here();
        self.periodic(accept.t3412_value.to_seconds());
        self.send(&messages::attach_complete(bearer.ebi)?)?;
        let guti = self.guti.map(|guti| guti.to_string());
        self.tell(Told::Attached { bearer, guti });
        Ok(())
    }

    fn update_accept(&mut self, accept: &NasTrackingAreaUpdateAccept) -> Result<(), NasError> {
        if self.state != EmmState::TrackingAreaUpdatingInitiated {
            self.tell(Told::Discarded("a TRACKING AREA UPDATE ACCEPT, and none is under way".into()));
            return Ok(());
        }
        self.finish(EmmState::Registered);
        self.allowed_here();
        if let Some(value) = &accept.t3412_value {
            self.periodic(value.to_seconds());
        }
        if accept.guti.is_some() {
            self.take_guti(accept.guti.as_ref());
            self.send(&NasEpsMessage::new_emm(NasTrackingAreaUpdateComplete::new()))?;
        }
        if let Some(status) = &accept.eps_bearer_context_status {
            // §5.5.3.2.4: what the network does not have, the UE has no more.
            let gone: Vec<u8> = self.bearers.keys().copied().filter(|ebi| !status.is_active(*ebi)).collect();
            for ebi in gone {
                self.bearers.remove(&ebi);
                self.tell(Told::BearerGone(ebi));
            }
        }
        self.tell(Told::Updated);
        Ok(())
    }

    /// §5.5.2.3.2.
    fn detached_by_network(&mut self, request: &NasDetachRequestUeTerminated) -> Result<(), NasError> {
        let kind = request.detach_type.network_detach_kind();
        let reattach = kind == NetworkDetachKind::ReattachRequired;
        let cause = request.emm_cause.as_ref().map(NasEmmCause::cause_raw);
        self.send(&NasEpsMessage::new_emm(NasDetachAccept::new()))?;
        if kind == NetworkDetachKind::ImsiDetach {
            // From services that this UE does not have: it stays attached for those of EPS.
            return Ok(());
        }
        if let Some(cause) = cause
            && super::cause::consequence(cause) != super::cause::Consequence::TryAgain
        {
            self.forget();
            if !reattach {
                // It is never taken without protection (§4.4.4.2).
                self.forbid(cause, true);
            }
        }
        self.left(true, reattach, cause);
        Ok(())
    }

    /// What a reject does to the UE, §5.5.1.2.5, §5.5.3.2.5, §5.6.1.5. With its cause comes whether it was protected.
    fn refused(
        &mut self,
        procedure: Procedure,
        (cause, secured): (u8, bool),
        esm_cause: Option<u8>,
        back_off: Option<u64>,
    ) {
        use super::cause::Consequence::{
            AreaForbidden, AttachAnew, NetworkForbidden, TryAgain, UsimInvalid, WaitAsTold,
        };
        if self.state.procedure() != Some(procedure) {
            let what = procedure.words();
            self.tell(Told::Discarded(format!("a reject of what is not under way: {what}")));
            return;
        }
        let consequence = super::cause::consequence(cause);
        let back_off = back_off.map(Duration::from_secs);
        // First the answer to what was asked, then what follows from it.
        self.tell(Told::Refused { procedure, cause, esm_cause, back_off });
        match consequence {
            UsimInvalid | NetworkForbidden | AreaForbidden | AttachAnew => self.forget(),
            WaitAsTold | TryAgain => {}
        }
        self.forbid(cause, secured);
        let stays = matches!(procedure, Procedure::TrackingAreaUpdate | Procedure::Service)
            && matches!(consequence, WaitAsTold | TryAgain);
        if stays {
            self.finish(EmmState::Registered);
        } else if self.state == EmmState::RegisteredInitiated {
            self.finish(EmmState::Deregistered);
        } else {
            self.left(true, consequence == AttachAnew, Some(cause));
        }
    }

    fn take_guti(&mut self, identity: Option<&NasEpsMobileIdentity>) {
        if let Some(guti) = identity.and_then(NasEpsMobileIdentity::as_guti) {
            let anew = self.guti != Some(guti) && self.state == EmmState::Registered;
            self.guti = Some(guti);
            if anew {
                self.tell(Told::NewGuti(guti.to_string()));
            }
        }
    }

    /// T3412; 0 or none: there is no periodic update. It runs from when the UE is idle.
    fn periodic(&mut self, seconds: Option<u64>) {
        self.t3412 = seconds.filter(|seconds| *seconds > 0).map(Duration::from_secs);
    }
}

/// What a UE acts upon although nothing protects it, TS 24.301 §4.4.4.2.
fn processed_plain(message: &NasEmmMessage) -> bool {
    match message {
        NasEmmMessage::IdentityRequest(request) => {
            request.identity_type.identity_type() == IdentityType::Imsi
        }
        NasEmmMessage::AuthenticationRequest(_)
        | NasEmmMessage::AuthenticationReject(_)
        | NasEmmMessage::DetachAccept(_) => true,
        // #25 is not believed without protection.
        NasEmmMessage::AttachReject(reject) => reject.emm_cause.cause_raw() != 25,
        NasEmmMessage::TrackingAreaUpdateReject(reject) => reject.emm_cause.cause_raw() != 25,
        NasEmmMessage::ServiceReject(reject) => reject.emm_cause.cause_raw() != 25,
        _ => false,
    }
}

/// What is said of a message that had to be protected and was not. An MME of a real core refuses so at times, as
/// Open5GS's does when the bearer is refused to it; the UE must not hear it (§4.4.4.2), and people want to know.
fn unprotected(message: &NasEpsMessage) -> String {
    let inner = match message {
        NasEpsMessage::Emm(_, NasEmmMessage::AttachReject(reject)) => {
            reject.esm_message_container.as_ref().and_then(super::esm::reject_cause)
        }
        _ => None,
    };
    let inner = inner.map(|cause| format!(", ESM cause #{cause} {}", super::cause::esm(cause)));
    format!("{message}{}, without the integrity protection that it needs to count", inner.unwrap_or_default())
}
