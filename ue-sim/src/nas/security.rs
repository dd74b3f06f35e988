//! The security mode control procedure, TS 24.301 §5.4.3.

use oxirush_nas::nas_eps::*;
use oxirush_security::nas_eps::{compute_hash_mme, derive_kenb};

use super::ue::Context;
use super::{NasError, Told, Ue, Way, messages};

/// Why a command is refused, and with which cause (§5.4.3.5).
type Refusal = (EmmCause, String);

impl Ue {
    /// `octets` is the whole command, which is verified with the very context that it takes into use.
    pub(super) fn security_mode(
        &mut self,
        octets: &[u8],
        command: &NasSecurityModeCommand,
    ) -> Result<(), NasError> {
        let header = NasEpsSecurityHeaderType::IntegrityProtectedWithNewEpsSecurityContext;
        self.told_message(Way::Down, header, &NasEpsMessage::new_emm(command.clone()));
        match self.new_context(octets, command) {
            Ok(context) => {
                let (ciphering, integrity) =
                    (context.nas.ciphering_algorithm() as u8, context.nas.integrity_algorithm() as u8);
                // TS 33.401 §7.2.8.1 and annex A.3: KeNB is of the count of the SECURITY MODE COMPLETE.
                let count = context.nas.nas_count(Direction::Uplink);
                self.kenb = count.map(|count| derive_kenb(&context.kasme, count));
                self.context = Some(context);
                self.partial = None;
                // Whoever has the keys is the network (table 10.2.1: T3418, T3420).
                let before = self.undoubted();
                self.trust(before);
                self.forget_challenge();
                self.secured = true;
                let complete = self.complete(command)?;
                let header = NasEpsSecurityHeaderType::IntegrityProtectedAndCipheredWithNewEpsSecurityContext;
                self.send_as(&complete, header)?;
                self.tell(Told::Secured { ciphering, integrity });
                Ok(())
            }
            Err((cause, why)) => {
                self.tell(Told::SecurityRefused { cause: cause.as_u8(), why });
                let reject = NasSecurityModeReject::new(messages::emm_cause(cause.as_u8()));
                self.send(&NasEpsMessage::new_emm(reject))
            }
        }
    }

    fn new_context(&self, octets: &[u8], command: &NasSecurityModeCommand) -> Result<Context, Refusal> {
        let unspecified = |why: String| (EmmCause::SecurityModeRejectedUnspecified, why);
        let algorithms = &command.selected_nas_security_algorithms;
        let (Some(ciphering), Some(integrity)) = (algorithms.ciphering(), algorithms.integrity()) else {
            return Err(unspecified("reserved algorithms".into()));
        };
        let capabilities = self.options.capabilities;
        if integrity == IntegrityAlgorithm::EIA0 {
            // §5.4.3.3: only where an emergency bearer is set up without authentication.
            return Err(unspecified("EIA0, and this is no emergency".into()));
        }
        if !capabilities.ciphers(ciphering as u8) || !capabilities.protects(integrity as u8) {
            return Err(unspecified(format!("{ciphering:?} and {integrity:?}, and the UE has not both")));
        }
        let sent = messages::network_capability(capabilities);
        if !command.replayed_ue_security_capabilities.matches_ue_network_capability(&sent) {
            // Somebody has changed them on the way: bidding down.
            let why = "the replayed capabilities are not those that the UE has sent".to_owned();
            return Err((EmmCause::UeSecurityCapabilitiesMismatch, why));
        }
        let ksi = command.nas_key_set_identifier.ksi();
        let refused = |error: oxirush_nas::common::NasError| unspecified(error.to_string());
        let (kasme, mut nas) = match (&self.partial, &self.context) {
            (Some(partial), _) if partial.ksi == ksi => {
                let nas = NasSecurityContext::from_fresh_kasme(&partial.kasme, integrity, ciphering);
                (&partial.kasme, nas.map_err(refused)?)
            }
            (_, Some(context)) if context.ksi == ksi => {
                let counts =
                    (context.nas.nas_count(Direction::Uplink), context.nas.nas_count(Direction::Downlink));
                let nas =
                    NasSecurityContext::restore_from_kasme(&context.kasme, integrity, ciphering, counts);
                (&context.kasme, nas.map_err(refused)?)
            }
            _ => return Err(unspecified(format!("there is no KASME under key set identifier {ksi}"))),
        };
        nas.unprotect(octets, Direction::Downlink).map_err(refused)?;
        Ok(Context { ksi, kasme: kasme.clone(), nas })
    }

    fn complete(&self, command: &NasSecurityModeCommand) -> Result<NasEpsMessage, NasError> {
        let mut complete = NasSecurityModeComplete::new();
        if command.imeisv_request.as_ref().is_some_and(NasImeisvRequest::is_requested) {
            complete = complete.with_imeisv(self.imeisv()?);
        }
        // §5.4.3.3: the initial message again, if what the MME has got is not what the UE has sent.
        if let Some(hash) = command.hash_mme.as_ref().and_then(NasHashMme::hash_mme)
            && hash != compute_hash_mme(&self.initial)
        {
            complete = complete.with_replayed_nas_message_container(NasReplayedNasMessageContainer::new(
                self.initial.clone(),
            ));
        }
        Ok(NasEpsMessage::new_emm(complete))
    }
}
