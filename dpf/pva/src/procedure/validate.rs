//! Validation of a platform for a relying party (seed, section 5 steps 11 to 13).

use std::sync::Arc;

use schemas::{
    cbor::CborError,
    cose::{self, CoseError},
    evidence::{self, Evidence},
    octets::Octets,
    rest::provisioning::ValidationRequest,
    trust,
    verdict::{self, Reason, Verdict},
};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use tokio::sync::oneshot;

use super::{Pva, milliseconds};
use crate::{
    judge::{Claimed, Judgement, Known, NonceState, Question, judge},
    store::{Facts, Inquiry, StoreError},
};

/// No verdict is given.
#[derive(Debug, thiserror::Error)]
pub enum ValidateError {
    /// The session has had its verdict, for another request.
    #[error(
        "this session and check have had their verdict for another request; send that one again, or take another session"
    )]
    Otherwise,
    /// The request cannot be told from others.
    #[error("the request cannot be written down: {0}")]
    Request(String),
    /// The verdict cannot be written.
    #[error("the verdict cannot be written: {0}")]
    Format(#[from] CborError),
    /// The verdict cannot be signed.
    #[error("the verdict cannot be signed: {0}")]
    Sign(#[from] CoseError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for ValidateError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// A verdict that was given.
#[derive(Debug)]
pub struct Validated {
    /// COSE_Sign1.
    pub signed: Vec<u8>,
    /// What it says, if it was judged now; `None` if it was given before.
    pub verdict: Option<Verdict>,
}

impl Pva {
    /// Judges a platform and signs the verdict. The same request again gets the same verdict.
    ///
    /// # Errors
    /// If the session and check have had the verdict of another request, or this program fails. A platform that is not to
    /// be trusted is no error: the verdict says so.
    pub async fn validate(self: &Arc<Self>, request: &ValidationRequest) -> Result<Validated, ValidateError> {
        let now = OffsetDateTime::now_utc();
        let digest = |octets: &[u8]| -> [u8; 32] { Sha256::digest(octets).into() };
        let whole = serde_json::to_vec(request).map_err(|e| ValidateError::Request(e.to_string()))?;
        let looked = self.look(&request.evidence.0, now.unix_timestamp()).await?;
        let inquiry = Inquiry {
            session: request.session,
            check: request.check,
            request: digest(&whole),
            nonce: request.nonce.0.clone(),
            evidence: digest(&request.evidence.0),
            tre: looked.evidence().map(|evidence| evidence.tre_id.clone()),
            serial: looked.serial().map(<[u8]>::to_vec),
            now: milliseconds(now),
        };
        let (pva, request) = (Arc::clone(self), request.clone());
        let (told, verdict) = oneshot::channel();
        let decide = move |inquiry: &Inquiry, facts| {
            let (known, keep) = match facts {
                Facts::Answered(signed) => return Ok((signed, None)),
                // Other evidence with the nonce of this session: said, and not kept; what was said first stands.
                Facts::Otherwise(known) if known.nonce == NonceState::Used => (known, false),
                Facts::Otherwise(_) => return Err(ValidateError::Otherwise),
                Facts::Open(known) => (known, true),
            };
            let question = Question {
                nonce: &request.nonce.0,
                requirements: &request.requirements,
                now: now.unix_timestamp(),
                max_age: pva.limits.max_age,
                clock_skew: pva.limits.clock_skew,
            };
            let claimed = looked.against(&known);
            let judgement = judge(&claimed, &known, &question);
            let uses_nonce = keep.then_some(judgement.uses_nonce);
            let said = pva.verdict(&request, inquiry, judgement, &claimed, &known);
            let signed = pva.signer.sign(verdict::CONTENT_TYPE, said.encode()?)?;
            let _ = told.send(said);
            Ok((signed, uses_nonce))
        };
        let signed = self.store.validate(inquiry, decide).await?;
        // What was given before was not judged now: the channel is closed.
        let verdict = verdict.await.ok();
        if let Some(verdict) = &verdict {
            self.metrics.verdict(&verdict.reasons);
        }
        Ok(Validated { signed, verdict })
    }

    /// All that takes arithmetic, before the transaction.
    async fn look(&self, octets: &[u8], now: i64) -> Result<Looked, StoreError> {
        let read = cose::peek_chain(octets, evidence::CONTENT_TYPE)
            .map_err(|error| error.to_string())
            .and_then(|(chain, payload)| {
                Evidence::decode(&payload).map(|it| (chain, it)).map_err(|error| error.to_string())
            });
        let (chain, evidence) = match read {
            Ok(read) => read,
            Err(why) => return Ok(Looked::Unreadable(why)),
        };
        let Some(platform) = self.store.platform(&evidence.tre_id).await? else {
            return Ok(Looked::Unknown(Box::new(evidence)));
        };
        let signature = trust::public_key(&platform.public_key)
            .map_err(|error| error.to_string())
            .and_then(|key| {
                cose::verify_with(octets, evidence::CONTENT_TYPE, &key).map_err(|error| error.to_string())
            })
            .map(drop);
        let certificate = self.authority.verify(&chain, now).map(Box::new).map_err(|error| error.to_string());
        let key = platform.public_key;
        Ok(Looked::Read(Box::new(Read { evidence, key, signature, certificate })))
    }

    fn verdict(
        &self,
        request: &ValidationRequest,
        inquiry: &Inquiry,
        judgement: Judgement,
        claimed: &Claimed,
        known: &Known,
    ) -> Verdict {
        let issued = inquiry.now.unsigned_abs() / 1000;
        let platform = known.platform.as_ref().filter(|_| judgement.authentic);
        let certificate = match claimed {
            Claimed::Signed { certificate: Ok(leaf), .. } if judgement.good() => Some(leaf.der.clone()),
            _ => None,
        };
        Verdict {
            version: verdict::VERSION,
            good: judgement.good(),
            reasons: judgement.reasons,
            detail: judgement.detail.join("; "),
            nonce: request.nonce.clone(),
            evidence: Octets(inquiry.evidence.to_vec()),
            device_id: platform.map(|platform| platform.device_id.clone()),
            tre_id: platform.map(|platform| platform.tre_id.clone()),
            supplier: platform.map(|platform| platform.supplier.clone()),
            model: platform.map(|platform| platform.model.to_string()),
            state: judgement.state,
            platform_certificate: certificate.map(Octets),
            issued,
            expires: issued + self.limits.verdict_lifetime.as_secs(),
        }
    }
}

/// Evidence that was looked at.
enum Looked {
    Unreadable(String),
    Unknown(Box<Evidence>),
    Read(Box<Read>),
}

struct Read {
    evidence: Evidence,
    /// The platform key that the signature was verified with.
    key: Vec<u8>,
    signature: Result<(), String>,
    certificate: Result<Box<trust::Leaf>, String>,
}

impl Looked {
    fn evidence(&self) -> Option<&Evidence> {
        match self {
            Self::Unreadable(_) => None,
            Self::Unknown(evidence) => Some(evidence),
            Self::Read(read) => Some(&read.evidence),
        }
    }

    fn serial(&self) -> Option<&[u8]> {
        match self {
            Self::Read(read) => read.certificate.as_ref().ok().map(|leaf| leaf.serial.as_slice()),
            _ => None,
        }
    }

    /// What it claims, against what is known inside the transaction.
    fn against(&self, known: &Known) -> Claimed {
        match self {
            Self::Unreadable(why) => Claimed::Unreadable(why.clone()),
            Self::Unknown(evidence) => Claimed::Unknown(evidence.as_ref().clone()),
            Self::Read(read) => match (&read.signature, &known.platform) {
                (Err(why), _) => Claimed::Forged(why.clone()),
                (Ok(()), Some(platform)) if platform.public_key != read.key => {
                    Claimed::Forged("the platform has a new key since".to_owned())
                }
                (Ok(()), _) => Claimed::Signed {
                    evidence: Box::new(read.evidence.clone()),
                    certificate: read.certificate.clone(),
                },
            },
        }
    }
}

/// The reasons of a verdict, as the audit log has them.
#[must_use]
pub fn shown(reasons: &[Reason]) -> String {
    reasons.iter().map(|reason| crate::metrics::word(*reason)).collect::<Vec<_>>().join(", ")
}
