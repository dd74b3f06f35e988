//! What the MME sends: whether it may be acted upon, plain or protected (TS 24.301 §4.4.4.2), and who acts.

use std::time::Duration;

use oxirush_nas::nas_eps::{NasEpsSecurityHeaderType as Header, *};

use super::protection::Received;
use super::received::{self, Fault};
use super::{EmmState, NasError, Output, Procedure, Told, Ue, Way, messages};

impl Ue {
    /// Takes a NAS message of the MME.
    pub fn downlink(&mut self, octets: &[u8]) -> Vec<Output> {
        if let Err(error) = self.take(octets) {
            self.tell(Told::Discarded(error.to_string()));
        }
        self.flush()
    }

    fn take(&mut self, octets: &[u8]) -> Result<(), NasError> {
        let received = match self.verified(octets) {
            Ok(Some(received)) => received,
            Ok(None) => return Ok(()),
            Err(fault) => return self.fault(fault),
        };
        match received.octets.first().map(|first| first & 0x0f) {
            Some(EPS_EMM_PROTOCOL_DISCRIMINATOR) => self.take_emm(&received),
            Some(EPS_ESM_PROTOCOL_DISCRIMINATOR) => self.take_esm(&received),
            Some(other) => {
                self.fault(Fault::ignored(format!("protocol discriminator {other}, neither EMM nor ESM")))
            }
            None => self.fault(Fault::ignored("a message without octets")),
        }
    }

    fn take_emm(&mut self, received: &Received) -> Result<(), NasError> {
        let secured = received.protection != Header::PlainNasMessageNotSecurityProtected;
        // §4.4.4.2: the few that are taken plain are so only until secure exchange is established.
        let plain = !self.secured;
        match received::emm(&received.octets) {
            Ok(message) => {
                let whole = NasEpsMessage::new_emm(message.clone());
                self.told_message(Way::Down, received.protection, &whole);
                if secured || plain && processed_plain(&message) {
                    self.told_passed_over(&whole);
                    return self.emm(message, secured);
                }
                self.tell(Told::Discarded(unprotected(&whole, received.unverified.as_deref())));
                Ok(())
            }
            Err(fault) => {
                // §4.4.4.2: nobody is answered about a message that is not looked at.
                let looked_at = received::emm_type(&received.octets).is_some_and(may_be_processed_plain);
                if secured || plain && looked_at {
                    return self.fault(fault);
                }
                self.fault(Fault::ignored(fault.why))
            }
        }
    }

    fn take_esm(&mut self, received: &Received) -> Result<(), NasError> {
        if received.protection != Header::PlainNasMessageNotSecurityProtected {
            return self.esm(&received.octets, received.protection);
        }
        let words = match NasEpsMessage::decode_with_direction(&received.octets, Direction::Downlink) {
            Ok(message) => unprotected(&message, received.unverified.as_deref()),
            Err(error) => format!("an ESM message that nothing protects: {error}"),
        };
        self.fault(Fault::ignored(words))
    }

    /// A message is not acted upon, and the network is told so where that has a sense: a UE that is not registered, nor
    /// about to be, has nobody to tell.
    pub(super) fn fault(&mut self, fault: Fault) -> Result<(), NasError> {
        let answer = fault.answer.filter(|_| self.state != EmmState::Deregistered);
        let told = match (&answer, fault.cause) {
            (Some(_), Some(cause)) => format!("{}; the network is told so, with cause #{cause}", fault.why),
            _ => fault.why,
        };
        self.tell(Told::Discarded(told));
        answer.map_or(Ok(()), |answer| self.send(&answer))
    }

    /// §7.4: the network has said what does not belong to anything that goes on.
    fn not_foreseen(&mut self, why: String, secured: bool) -> Result<(), NasError> {
        self.fault(match secured {
            true => Fault::emm(EmmCause::MessageTypeNotCompatibleWithTheProtocolState, why),
            // Anybody may have sent it.
            false => Fault::ignored(why),
        })
    }

    /// §7.6, §7.7.1: some of the optional part does not count.
    pub(super) fn told_passed_over(&mut self, message: &NasEpsMessage) {
        let (name, ies) = match message {
            NasEpsMessage::Emm(header, message) => {
                (format!("{:?}", header.message_type), received::passed_over(message.unknown_ies()))
            }
            NasEpsMessage::Esm(header, message) => {
                (format!("{:?}", header.message_type), received::passed_over(message.unknown_ies()))
            }
            _ => return,
        };
        if let Some(ies) = ies {
            self.tell(Told::PassedOver { message: name, ies });
        }
    }

    /// `secured`: its protection was verified.
    fn emm(&mut self, message: NasEmmMessage, secured: bool) -> Result<(), NasError> {
        match message {
            NasEmmMessage::IdentityRequest(request) => self.identity(&request),
            NasEmmMessage::AuthenticationRequest(request) => self.authentication(&request),
            NasEmmMessage::AuthenticationReject(_) => {
                if self.state == EmmState::Deregistered {
                    let why = "an AUTHENTICATION REJECT, and nothing is under way".to_owned();
                    return self.not_foreseen(why, secured);
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
                self.refused(Procedure::Attach, (cause, secured), esm_cause, back_off)
            }
            NasEmmMessage::TrackingAreaUpdateAccept(accept) => self.update_accept(&accept),
            NasEmmMessage::TrackingAreaUpdateReject(reject) => {
                let back_off = reject.t3346_value.as_ref().and_then(NasGprsTimer2::to_seconds);
                let cause = reject.emm_cause.cause_raw();
                self.refused(Procedure::TrackingAreaUpdate, (cause, secured), None, back_off)
            }
            NasEmmMessage::ServiceReject(reject) => {
                let back_off = reject.t3346_value.as_ref().and_then(NasGprsTimer2::to_seconds);
                self.refused(Procedure::Service, (reject.emm_cause.cause_raw(), secured), None, back_off)
            }
            NasEmmMessage::DetachAccept(_) => {
                if self.state != EmmState::DeregisteredInitiated {
                    let why = "a DETACH ACCEPT, and no detach is under way".to_owned();
                    return self.not_foreseen(why, secured);
                }
                self.left(false, false, None);
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
            NasEmmMessage::SecurityModeCommand(_) => {
                let why = "a SECURITY MODE COMMAND that does not take its own context into use".to_owned();
                self.fault(Fault::ignored(why))
            }
            other => {
                // §7.4: not for a UE without CS services.
                let why = format!("{} is none that this UE has", NasEpsMessage::new_emm(other));
                self.fault(Fault::emm(EmmCause::MessageTypeNonExistentOrNotImplemented, why))
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
        let bearer = self.default_bearer(&accept.esm_message_container);
        match (self.state, bearer) {
            (EmmState::RegisteredInitiated, Ok(bearer)) => {
                self.put_down_bearer(&bearer);
                self.take_guti(accept.guti.as_ref());
                self.finish(EmmState::Registered);
                self.allowed_here();
                self.periodic(accept.t3412_value.to_seconds());
                self.send(&messages::attach_complete(bearer.ebi)?)?;
                let guti = self.guti.map(|guti| guti.to_string());
                self.tell(Told::Attached { bearer, guti });
                Ok(())
            }
            // A repetition: the ATTACH COMPLETE was lost (§7.3.1).
            (EmmState::Registered, Ok(bearer)) => {
                self.take_guti(accept.guti.as_ref());
                self.send(&messages::attach_complete(bearer.ebi)?)
            }
            (EmmState::RegisteredInitiated, Err(fault)) => {
                // §6.4.1.4: there is no EPS registration without a default bearer. The network is told why in place of
                // ATTACH COMPLETE, and the attach is over.
                let (cause, why) = (fault.cause, fault.why.clone());
                self.fault(fault)?;
                self.finish(EmmState::Deregistered);
                self.bearers.clear();
                self.tell(Told::BearerRefused { cause, why });
                Ok(())
            }
            _ => self.not_foreseen("an ATTACH ACCEPT, and no attach is under way".into(), true),
        }
    }

    fn update_accept(&mut self, accept: &NasTrackingAreaUpdateAccept) -> Result<(), NasError> {
        if self.state != EmmState::TrackingAreaUpdatingInitiated {
            let why = "a TRACKING AREA UPDATE ACCEPT, and none is under way".to_owned();
            return self.not_foreseen(why, true);
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
    ) -> Result<(), NasError> {
        use super::cause::Consequence::{
            AreaForbidden, AttachAnew, NetworkForbidden, TryAgain, UsimInvalid, WaitAsTold,
        };
        if self.state.procedure() != Some(procedure) {
            let what = procedure.words();
            return self.not_foreseen(format!("a reject of what is not under way: {what}"), secured);
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
        Ok(())
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

/// Whether a message of this type may be taken although nothing protects it.
const fn may_be_processed_plain(kind: NasEmmMessageType) -> bool {
    use NasEmmMessageType as Type;
    matches!(
        kind,
        Type::IdentityRequest
            | Type::AuthenticationRequest
            | Type::AuthenticationReject
            | Type::DetachAccept
            | Type::AttachReject
            | Type::TrackingAreaUpdateReject
            | Type::ServiceReject
    )
}

/// What is said of a message that had to be protected and was not, and why its protection does not count if it has one.
/// An MME of a real core refuses so at times, as Open5GS's does when the bearer is refused to it; the UE must not hear it
/// (§4.4.4.2), and people want to know.
fn unprotected(message: &NasEpsMessage, unverified: Option<&str>) -> String {
    let inner = match message {
        NasEpsMessage::Emm(_, NasEmmMessage::AttachReject(reject)) => {
            reject.esm_message_container.as_ref().and_then(super::esm::reject_cause)
        }
        _ => None,
    };
    let inner = inner.map(|cause| format!(", ESM cause #{cause} {}", super::cause::esm(cause)));
    let unverified = unverified.map(|why| format!(" ({why})"));
    format!(
        "{message}{}, without the integrity protection that it needs to count{}",
        inner.unwrap_or_default(),
        unverified.unwrap_or_default()
    )
}
