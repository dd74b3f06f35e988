//! Which manifests the trusted environment takes.

use schemas::{
    cbor::CborError,
    cose::{self, CoseError},
    identity::OperatorId,
    rncp::{CONTENT_TYPE, CREDENTIALS, Kind, Manifest, PartKind},
    trust::Purpose,
};
use uuid::Uuid;

use super::{Reason, Tre, TreError};

/// A manifest that is signed by its operator, for this device, and in time.
#[derive(Debug, Clone)]
pub struct GoodManifest(Manifest);

impl GoodManifest {
    /// What it says.
    #[must_use]
    pub fn get(&self) -> &Manifest {
        &self.0
    }
}

/// What a manifest has to agree with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected<'a> {
    /// The operator that the RNCT named.
    pub(crate) operator: &'a OperatorId,
    /// What the RNCT said it is for.
    pub(crate) kind: Kind,
    /// The session with the DPF.
    pub(crate) session: Uuid,
}

/// What is wrong with a COSE object as a word.
pub(crate) fn reason_of(error: &CoseError) -> Reason {
    match error {
        CoseError::Signature | CoseError::Trust(_) => Reason::BadSignature,
        _ => Reason::Malformed,
    }
}

/// What is wrong with CBOR as a word.
pub(crate) fn reason_of_cbor(error: &CborError) -> Reason {
    match error {
        CborError::Version { .. } => Reason::UnsupportedVersion,
        _ => Reason::Malformed,
    }
}

impl Tre {
    /// Takes a signed manifest if it is good at `now` (seconds since 1970 UTC).
    ///
    /// # Errors
    /// [`TreError::Refused`], with what is wrong.
    pub(crate) fn check_manifest(
        &self,
        signed: &[u8],
        expected: Expected<'_>,
        now: u64,
    ) -> Result<GoodManifest, TreError> {
        let no = |reason, detail: &str| Err(TreError::refused(reason, detail));
        let signed = cose::verify(signed, CONTENT_TYPE, self.anchors(), Purpose::Payload, now)
            .map_err(|error| TreError::refused(reason_of(&error), error.to_string()))?;
        let manifest = Manifest::decode(&signed.payload)
            .map_err(|error| TreError::refused(reason_of_cbor(&error), error.to_string()))?;
        if signed.signer.name != manifest.operator.as_str() {
            return no(Reason::WrongOperator, "the manifest is signed by another operator than it names");
        }
        if manifest.operator != *expected.operator {
            return no(Reason::WrongOperator, "the RNCT named another operator");
        }
        if manifest.device_id != *self.device_id()
            || manifest.tre_id != *self.tre_id()
            || manifest.pcid != self.pcid()
        {
            return no(Reason::NotForMe, "the RNCP is for another device, TRE or PCID");
        }
        if manifest.session != expected.session {
            return no(Reason::WrongSession, "the RNCP was made for another session");
        }
        if manifest.kind != expected.kind {
            return no(Reason::WrongKind, "the RNCP is for something else than the RNCT said");
        }
        if manifest.expires <= now {
            return no(
                Reason::Expired,
                "the RNCP is not to be installed any more; is the device's clock right?",
            );
        }
        let held = |rncp| self.read(|state| state.registry.get(&manifest.operator, rncp).is_some());
        if manifest.replaces.is_some_and(|replaced| !held(replaced)) {
            return no(Reason::ReplacesUnknown, "the RNCP that it takes the place of is not here");
        }
        let credentials = manifest.parts.iter().find(|part| part.name == CREDENTIALS);
        if credentials.is_none_or(|part| part.kind != PartKind::Credentials) {
            return no(Reason::NoCredentials, "the RNCP has no part `credentials` of that kind");
        }
        Ok(GoodManifest(manifest))
    }
}
