//! Handing a credential to an ICF elsewhere that lacks it (R4): the other end of [`super::fetch`].
//!
//! Its keys leave sealed to the key pair that the asking ICF names, and only after the audit log has it who got
//! them. Everything that is not to be handed out looks alike from outside: there is no such credential.

use base64::{Engine, engine::general_purpose::STANDARD};
use schemas::identity::Imsi;
use service::problem::Problem;
use zeroize::Zeroizing;

use super::{
    fetch::{FetchAnswer, FetchRequest, PATH},
    issued::IssuedCredential,
    seal::{Recipients, SealError},
};
use crate::{
    model::{Credential, CredentialState, Timestamp},
    store::{Done, Op, Store, StoreError},
};

/// The scope that `/v1/chtif/fetch` asks for: it lets its bearer have keys, and so is none of the others.
pub const SCOPE: &str = "chtif:fetch";

/// What the audit log calls it.
pub const ACTION: &str = "chtif.fetch";

/// Hands `request.imsi` to `who`, sealed to `request.recipient`, once the audit log has it.
///
/// # Errors
/// Why it is not handed out, as it is to be answered.
pub async fn fetch(store: &dyn Store, who: &str, request: &FetchRequest) -> Result<FetchAnswer, Problem> {
    let imsi = request.imsi;
    let answer = hand_out(store, request).await.map_err(|refused| refused.problem(imsi));
    let outcome = answer.as_ref().map_or_else(ToString::to_string, |_| "done".to_owned());
    // Before the keys leave: what cannot be written down is not done.
    store
        .audit(who, ACTION, &imsi.to_string(), &outcome)
        .await
        .map_err(|error| Problem::internal(&error).instance(PATH))?;
    let answer = answer?;
    tracing::info!(who, %imsi, "credential handed to an ICF elsewhere");
    Ok(answer)
}

/// Why nothing is handed out.
enum Refused {
    /// Unknown, blocked, disabled, expired, or without keys.
    NotHere,
    /// Nobody could read it.
    Recipient(SealError),
    /// There is no SEQ left for the other side.
    Exhausted(StoreError),
    /// Us.
    Failed(String),
}

impl Refused {
    fn problem(&self, imsi: Imsi) -> Problem {
        let problem = match self {
            Self::NotHere => Problem::not_found(format!("there is no credential {imsi} to hand out")),
            Self::Recipient(error) => Problem::unprocessable(format!("recipient: {error}")),
            Self::Exhausted(error) => Problem::conflict(error.to_string()),
            Self::Failed(error) => Problem::internal(error),
        };
        problem.instance(PATH)
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        match error {
            // It was deleted meanwhile.
            StoreError::NotFound(_) => Self::NotHere,
            StoreError::SequenceExhausted(_) => Self::Exhausted(error),
            other => Self::Failed(other.to_string()),
        }
    }
}

async fn hand_out(store: &dyn Store, request: &FetchRequest) -> Result<FetchAnswer, Refused> {
    let recipients = Recipients::parse([request.recipient.as_str()]).map_err(Refused::Recipient)?;
    let credential = store.credential(request.imsi).await?.filter(usable).ok_or(Refused::NotHere)?;
    // `None` where K never was here (R3).
    let issued = IssuedCredential::of(&credential).ok_or(Refused::NotHere)?;
    let next_seq = first_free(store, request.imsi).await?;
    let failed = |e: &dyn std::fmt::Display| Refused::Failed(e.to_string());
    // With room for all of it: a buffer that grows leaves keys behind.
    let mut plain = Zeroizing::new(Vec::with_capacity(8192));
    issued.write_line(&mut plain).map_err(|e| failed(&e))?;
    let sealed = recipients.seal_bytes(&plain).map_err(|e| failed(&e))?;
    Ok(FetchAnswer { sealed: STANDARD.encode(sealed), next_seq })
}

/// Whether vectors would be made from it here; the other side is told no end of its own, so one that has
/// ended here must not begin anew there.
fn usable(credential: &Credential) -> bool {
    credential.state == CredentialState::Active
        && credential.expires_at.is_none_or(|end| end > Timestamp::now())
}

/// The first SEQ that was never promised to anybody here, durably promised to the other side before it is told
/// (TS 33.102 §C.1.1.1: the USIM takes none twice). Whatever this ICF has used, also from leases still in hand,
/// lies below it. What is handed out here afterwards does not: from then on the credential is the other side's,
/// and where both go on to serve it the USIM's AUTS brings the lower one up (§6.3.5).
async fn first_free(store: &dyn Store, imsi: Imsi) -> Result<u64, Refused> {
    let mut done = store.commit(&[Op::Lease { imsi, count: 1, above: None }]).await?;
    match done.pop() {
        Some(Ok(Done::Lease(range))) => Ok(range.start),
        Some(Err(error)) => Err(error.into()),
        other => Err(Refused::Failed(format!("a lease was answered with {other:?}"))),
    }
}
