//! Enrolment of platforms by their supplier, before manufacture (seed, section 2.6).

use std::{collections::HashSet, sync::Arc};

use schemas::{
    cbor::CborError,
    cose::{self, CoseError},
    enrolment::{CONTENT_TYPE, Enrolment},
    identity::SupplierId,
    octets::Octets,
    trust::{self, Purpose},
};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::{Pva, milliseconds};
use crate::{
    ca::{CaError, canonical},
    model::{Credential, Label, Platform},
    store::{self, Enrol, StoreError},
};

/// A batch is not enrolled; nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// Not a signed enrolment, or not by a supplier.
    #[error("the enrolment: {0}")]
    Cose(#[from] CoseError),
    /// It is signed, and cannot be read.
    #[error("the enrolment: {0}")]
    Format(#[from] CborError),
    /// Signed by another supplier than it is of.
    #[error("the enrolment is of supplier {of} and signed by {by:?}")]
    NotTheirs {
        /// Whose it says it is.
        of: SupplierId,
        /// Name in the certificate.
        by: String,
    },
    /// The supplier is not known, or may not enrol.
    #[error("supplier {0} may not enrol here; PUT /v1/suppliers/{0} with \"enrols\": true lets it")]
    MayNot(SupplierId),
    /// A platform in it, by its place, and what is wrong.
    #[error("platforms/{at}: {why}")]
    Platform {
        /// Its place in the batch, from 0.
        at: usize,
        /// What is wrong.
        why: String,
    },
    /// It is empty, or of the future.
    #[error("the enrolment {0}")]
    Batch(&'static str),
    /// Something of it is there already, and otherwise.
    #[error(transparent)]
    Conflict(store::EnrolError),
    /// The CA.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A task of this program ended early.
    #[error("issuing was interrupted")]
    Interrupted,
}

impl From<store::EnrolError> for EnrolError {
    fn from(error: store::EnrolError) -> Self {
        match error {
            store::EnrolError::Store(error) => Self::Store(error),
            conflict => Self::Conflict(conflict),
        }
    }
}

impl Pva {
    /// Takes a batch (COSE_Sign1, [`schemas::enrolment`]); gives the platforms' certificates, DER, in its order. The same
    /// batch again is answered alike.
    ///
    /// # Errors
    /// What is wrong with it; then nothing of it was enrolled.
    pub async fn enrol(self: Arc<Self>, signed: &[u8]) -> Result<Vec<Octets>, EnrolError> {
        let now = OffsetDateTime::now_utc();
        let seconds = now.unix_timestamp().unsigned_abs();
        let signed = cose::verify(signed, CONTENT_TYPE, &self.anchors, Purpose::Enrolment, seconds)?;
        let enrolment = Enrolment::decode(&signed.payload)?;
        let supplier = enrolment.supplier.clone();
        if signed.signer.name != supplier.as_str() {
            return Err(EnrolError::NotTheirs { of: supplier, by: signed.signer.name });
        }
        if !self.store.supplier(&supplier).await?.is_some_and(|supplier| supplier.enrols) {
            return Err(EnrolError::MayNot(supplier));
        }
        if enrolment.platforms.is_empty() {
            return Err(EnrolError::Batch("has no platforms"));
        }
        if enrolment.issued > seconds + u64::from(self.limits.clock_skew) {
            return Err(EnrolError::Batch("is of the future: set the supplier's clock"));
        }
        let digest: [u8; 32] = Sha256::digest(&signed.payload).into();
        let (id, at) = (enrolment.id, milliseconds(now));
        if let Some(certificates) = self.store.enrolment(id, &digest).await? {
            return Ok(certificates.into_iter().map(Octets).collect());
        }
        let platforms = platforms(&enrolment, at)?;
        // Some thousands of signatures: not on a thread that others wait for.
        let pva = Arc::clone(&self);
        let issuing = tokio::task::spawn_blocking(move || pva.issue_all(platforms, now.unix_timestamp()));
        let platforms = issuing.await.map_err(|_| EnrolError::Interrupted)??;
        let count = platforms.len();
        let batch = Enrol { id, supplier: &supplier, digest, at, platforms };
        let certificates = self.store.enrol(&batch).await?;
        self.metrics.enrolled.inc_by(count as u64);
        Ok(certificates.into_iter().map(Octets).collect())
    }

    fn issue_all(&self, platforms: Vec<Platform>, now: i64) -> Result<Vec<(Platform, Credential)>, CaError> {
        let lifetime = self.limits.certificate_lifetime;
        platforms
            .into_iter()
            .map(|platform| {
                let Platform { tre_id, device_id, supplier, public_key, .. } = &platform;
                let credential =
                    self.authority.issue(tre_id, device_id, supplier, public_key, now, lifetime)?;
                Ok((platform, credential))
            })
            .collect()
    }
}

/// The platforms of a batch, each of its own device, TRE and key.
fn platforms(enrolment: &Enrolment, at: i64) -> Result<Vec<Platform>, EnrolError> {
    let (mut devices, mut tres, mut keys) = (HashSet::new(), HashSet::new(), HashSet::new());
    let mut platforms = Vec::with_capacity(enrolment.platforms.len());
    for (place, platform) in enrolment.platforms.iter().enumerate() {
        let wrong = |why: String| EnrolError::Platform { at: place, why };
        let model: Label =
            platform.model.parse().map_err(|e: crate::model::LabelError| wrong(e.to_string()))?;
        let key = trust::public_key(&platform.public_key.0).map_err(|e| wrong(format!("public_key: {e}")))?;
        let public_key = canonical(&key);
        if !devices.insert(&platform.device_id) {
            return Err(wrong(format!("device {} is there twice", platform.device_id)));
        }
        if !tres.insert(&platform.tre_id) {
            return Err(wrong(format!("TRE {} is there twice", platform.tre_id)));
        }
        if !keys.insert(public_key.clone()) {
            return Err(wrong("its key is another platform's, too".to_owned()));
        }
        platforms.push(Platform {
            tre_id: platform.tre_id.clone(),
            device_id: platform.device_id.clone(),
            supplier: enrolment.supplier.clone(),
            model,
            public_key,
            enrolment: enrolment.id,
            revocation: None,
            enrolled_at: at,
        });
    }
    Ok(platforms)
}
