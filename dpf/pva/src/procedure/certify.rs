//! New platform credentials (seed, section 2.6: "obtaining new Platform Credentials when required, e.g. after a remote
//! update").

use schemas::identity::TreId;
use time::OffsetDateTime;

use super::Pva;
use crate::{
    ca::{CaError, RequestError, possessed_key},
    store::{ChangeError, StoreError},
};

/// No certificate is given.
#[derive(Debug, thiserror::Error)]
pub enum CertifyError {
    /// The request is not good.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The TRE is not enrolled.
    #[error("TRE {0} is not enrolled; its supplier has to enrol it")]
    Unknown(TreId),
    /// The request is of another key than the platform's.
    #[error(
        "the key is not the one that is enrolled for TRE {0}; a new key asks for the scope platforms:rekey"
    )]
    OtherKey(TreId),
    /// The platform is revoked, or the key is taken.
    #[error(transparent)]
    Change(ChangeError),
    /// The CA.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ChangeError> for CertifyError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Store(error) => Self::Store(error),
            other => Self::Change(other),
        }
    }
}

impl Pva {
    /// The certificate (DER) for a platform that shows by a certification request (PKCS #10, DER) that it has its key. One
    /// that has more than half of its life to go is given again. With `may_rekey` the key may be a new one, which takes
    /// the old one's place; the old one's certificates are superseded.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn certify(
        &self,
        tre: &TreId,
        request: &[u8],
        may_rekey: bool,
    ) -> Result<Vec<u8>, CertifyError> {
        let key = possessed_key(request)?;
        let platform = self.store.platform(tre).await?.ok_or_else(|| CertifyError::Unknown(tre.clone()))?;
        if let Some(revocation) = platform.revocation {
            let revoked = ChangeError::Revoked { tre: tre.clone(), reason: revocation.reason };
            return Err(revoked.into());
        }
        let same = key == platform.public_key;
        if !same && !may_rekey {
            return Err(CertifyError::OtherKey(tre.clone()));
        }
        let now = OffsetDateTime::now_utc().unix_timestamp();
        if same {
            let credentials = self.store.credentials(tre).await?;
            let current = credentials.into_iter().find(|credential| {
                let half = (credential.expires_at - credential.issued_at) / 2;
                credential.public_key == key
                    && credential.revocation.is_none()
                    && credential.expires_at - now > half
            });
            if let Some(current) = current {
                return Ok(current.der);
            }
        }
        let lifetime = self.limits.certificate_lifetime;
        let new = self.authority.issue(tre, &platform.device_id, &platform.supplier, &key, now, lifetime)?;
        self.store.add_credential(&platform.public_key, &new).await?;
        self.metrics.certificates.inc();
        Ok(new.der)
    }
}
