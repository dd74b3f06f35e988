//! The protection of what the MME sends, TS 24.301 §4.4.3, §4.4.4: checked, and taken off.

use oxirush_nas::common::NasError as CodecError;
use oxirush_nas::nas_eps::{NasEpsSecurityHeaderType as Header, *};

use super::Ue;
use super::received::{self, Fault};

/// A plain message, with how it was protected.
pub(super) struct Received {
    pub(super) octets: Vec<u8>,
    /// What its protection was verified as; plain if it had none, or none that verifies.
    pub(super) protection: Header,
    /// Why its protection does not count, if it had one.
    pub(super) unverified: Option<String>,
}

impl Received {
    fn verified(octets: Vec<u8>, protection: Header) -> Self {
        Self { octets, protection, unverified: None }
    }

    fn unverified(octets: &[u8], why: Option<String>) -> Self {
        let protection = Header::PlainNasMessageNotSecurityProtected;
        Self { octets: octets.to_vec(), protection, unverified: why }
    }
}

/// Octets of the security header (§9.1): type and discriminator, authentication code, sequence number.
const SECURITY_HEADER: usize = 6;

impl Ue {
    /// Checks the protection; `None`: it is dealt with.
    ///
    /// # Errors
    /// If the message is not acted upon.
    pub(super) fn verified(&mut self, octets: &[u8]) -> Result<Option<Received>, Fault> {
        let (discriminator, kind) = octets.first().map_or((0, 0), |first| (first & 0x0f, first >> 4));
        if discriminator != EPS_EMM_PROTOCOL_DISCRIMINATOR || kind == 0 {
            return Ok(Some(Received::unverified(octets, None)));
        }
        let inner = octets.get(SECURITY_HEADER..).unwrap_or_default();
        if inner.is_empty() {
            return Err(Fault::ignored("a message that ends before its security header does"));
        }
        // Table 9.3.1: each of the others is for one message alone.
        let ciphered = match Header::try_from(kind) {
            Ok(Header::IntegrityProtected) => false,
            Ok(Header::IntegrityProtectedAndCiphered) => true,
            Ok(Header::IntegrityProtectedWithNewEpsSecurityContext) => {
                return self.security_mode_command(octets, inner).map(|()| None);
            }
            _ => {
                return Err(Fault::ignored(format!(
                    "security header type {kind}, which nothing to a UE has"
                )));
            }
        };
        let Some(context) = &mut self.context else {
            // §4.4.4.2: without a context the few that are taken plain are taken so as well.
            let why = "there is no security context".to_owned();
            return match ciphered {
                false => Ok(Some(Received::unverified(inner, Some(why)))),
                true => Err(Fault::ignored(format!("a ciphered message, and {why}"))),
            };
        };
        let protection =
            if ciphered { Header::IntegrityProtectedAndCiphered } else { Header::IntegrityProtected };
        match context.nas.unprotect_raw(octets, Direction::Downlink) {
            Ok(verified) => {
                self.secured = true;
                Ok(Some(Received::verified(verified.message, protection)))
            }
            // It is the network's, and what is wrong with it is seen, and answered, where it is read.
            Err(CodecError::AuthenticMessageRefused { plain, .. }) => {
                self.secured = true;
                Ok(Some(Received::verified(plain.into_vec(), protection)))
            }
            // §4.4.4.2: these few are taken although they do not verify, as if they were plain.
            Err(error) if !self.secured && !ciphered => {
                Ok(Some(Received::unverified(inner, Some(error.to_string()))))
            }
            Err(error) => Err(Fault::ignored(error.to_string())),
        }
    }

    /// The message whose header says "with new EPS security context": it is verified with the very context that it takes
    /// into use.
    fn security_mode_command(&mut self, octets: &[u8], inner: &[u8]) -> Result<(), Fault> {
        let command = match received::emm_type(inner) {
            Some(NasEmmMessageType::SecurityModeCommand) => received::emm(inner)?,
            _ => return Err(Fault::ignored("security header type 3, and no SECURITY MODE COMMAND")),
        };
        let NasEmmMessage::SecurityModeCommand(command) = command else { return Ok(()) };
        self.security_mode(octets, &command).map_err(|error| Fault::ignored(error.to_string()))
    }
}
