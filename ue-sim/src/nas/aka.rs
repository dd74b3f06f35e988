//! The authentication procedure, TS 24.301 §5.4.2: the USIM answers.

use oxirush_nas::nas_eps::*;

use super::ue::{Challenged, Partial};
use super::{NasError, Output, Timer, Told, Ue, messages};
use crate::usim::{Authentication, Challenge};

impl Ue {
    pub(super) fn authentication(&mut self, request: &NasAuthenticationRequest) -> Result<(), NasError> {
        let (Some(rand), Some(autn)) =
            (request.authentication_parameter_rand.rand(), request.authentication_parameter_autn.autn())
        else {
            return Err(NasError::Codec("AUTHENTICATION REQUEST: RAND and AUTN have 16 octets".into()));
        };
        let ksi = request.nas_key_set_identifier_asme.ksi();
        let before = self.undoubted();
        // §5.4.2.3: the answer was lost on its way. The USIM is not asked twice: for it the number is not fresh any more.
        if let (Some(challenged), Some(partial)) = (&self.challenged, &mut self.partial)
            && challenged.rand == *rand
        {
            partial.ksi = ksi;
            let res = NasAuthenticationResponseParameter::from_res(&challenged.res)?;
            self.trust(before);
            return self.send(&NasEpsMessage::new_emm(NasAuthenticationResponse::new(res)));
        }
        match self.device.usim.authenticate(&Challenge::new(rand, autn), self.serving.plmn) {
            Authentication::Accepted(accepted) => {
                self.out.push(Output::Keep);
                self.trust(before);
                self.tell(Told::NetworkAuthenticated { sqn: accepted.sqn().to_string() });
                let res = NasAuthenticationResponseParameter::from_res(accepted.res())?;
                self.partial = Some(Partial { ksi, kasme: accepted.kasme().clone() });
                self.challenged = Some(Challenged { rand: *rand, res: *accepted.res() });
                self.out.push(Output::Start(Timer::T3416, Timer::T3416.length()));
                self.send(&NasEpsMessage::new_emm(NasAuthenticationResponse::new(res)))
            }
            Authentication::SynchronisationFailure { auts, sqn, why } => {
                self.tell(Told::SynchronisationFailure { why: format!("{sqn}: {why}") });
                let failure = NasAuthenticationFailure::new(messages::emm_cause(21))
                    .with_authentication_failure_parameter(NasAuthenticationFailureParameter::from_auts(
                        auts,
                    ));
                self.send(&NasEpsMessage::new_emm(failure))?;
                self.refuse(before, Timer::T3420);
                Ok(())
            }
            refused @ (Authentication::MacFailure | Authentication::NonEpsUnacceptable) => {
                let cause = refused.emm_cause().unwrap_or(EmmCause::MacFailure.as_u8());
                self.tell(Told::NetworkRefused { cause });
                let failure = NasAuthenticationFailure::new(messages::emm_cause(cause));
                self.send(&NasEpsMessage::new_emm(failure))?;
                self.refuse(before, Timer::T3418);
                Ok(())
            }
        }
    }
}
