//! Whose call-home triple is this (R2)? DRF and DPF ask when a device has no platform certificate yet.
//!
//! Everything that is not right looks alike from outside: unknown user, wrong password, credential not active.

use schemas::rest::provisioning::{TripleCheck, TripleOwner};
use service::{api::Trickle, problem::Problem};
use subtle::ConstantTimeEq;

use crate::{
    model::{Credential, CredentialState, Timestamp},
    store::Store,
};

/// The scope that `/v1/chtif/verify` asks for.
pub const SCOPE: &str = "chtif:verify";
/// Where it is asked.
pub const PATH: &str = "/v1/chtif/verify";

/// What the audit log calls a refusal.
const ACTION: &str = "chtif.verify";
/// Whoever reaches a DRF or DPF can be refused here without end: that must not fill the disk.
static NOTED: Trickle = Trickle::new(200);

/// Tells whose triple it is, to `who`. A refusal is in the audit log; a success is the ordinary case and is not.
///
/// # Errors
/// 403 where it is nobody's; 500 if the store fails.
pub async fn verify(store: &dyn Store, who: &str, check: &TripleCheck) -> Result<TripleOwner, Problem> {
    let failed = |error: &dyn std::fmt::Display| Problem::internal(error).instance(PATH);
    // The CHTIF makes the PCID the user name; a user name that is none is nobody's.
    let credential = match check.username.parse() {
        Ok(pcid) => store.credential(pcid).await.map_err(|error| failed(&error))?,
        Err(_) => None,
    };
    let owner = credential.filter(usable).filter(|credential| matches(credential, check));
    match owner {
        Some(credential) => Ok(TripleOwner { pcid: credential.imsi }),
        None => {
            // What was sent as a user name may be anything, a password among it: only a PCID is written down.
            let target = check
                .username
                .parse::<schemas::identity::Imsi>()
                .map_or_else(|_| "-".into(), |it| it.to_string());
            if NOTED.allows() {
                store.audit(who, ACTION, &target, "refused").await.map_err(|error| failed(&error))?;
            } else {
                tracing::warn!(who, target, "not in the audit log: too many are nobody's call-home triple");
            }
            Err(Problem::of_kind(
                axum::http::StatusCode::FORBIDDEN,
                "/problems/not-a-triple",
                "Not a call-home triple",
            )
            .detail("user name and password are not those of an active credential's call-home triple")
            .instance(PATH))
        }
    }
}

fn usable(credential: &Credential) -> bool {
    credential.state == CredentialState::Active
        && credential.expires_at.is_none_or(|end| end > Timestamp::now())
}

/// In constant time for passwords of the same length, which all of ours have.
fn matches(credential: &Credential, check: &TripleCheck) -> bool {
    credential.triple.as_ref().is_some_and(|triple| {
        triple.user == check.username
            && bool::from(triple.password.as_bytes().ct_eq(check.password.as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        chtif::issue::{BatchRequest, Issuing},
        store::{CredentialPatch, memory::MemoryStore},
    };

    async fn issued() -> (MemoryStore, TripleCheck) {
        let store = MemoryStore::new(None);
        let request = BatchRequest {
            id: "batch".into(),
            first: "999710000000001".parse().unwrap(),
            count: 1,
            profile: "default".into(),
            party: None,
            op: None,
            amf: [0x80, 0],
            triple_url: Some("https://callhome.example/".into()),
        };
        let mut issuing = Issuing::begin(&store, request).await.unwrap();
        let credentials = issuing.next().await.unwrap().unwrap();
        let triple = credentials[0].triple.as_ref().unwrap();
        let check = TripleCheck { username: triple.user.clone(), password: triple.password.to_string() };
        drop(issuing);
        (store, check)
    }

    #[tokio::test]
    async fn a_triple_names_its_pcid_and_everything_else_is_refused_alike() {
        let (store, check) = issued().await;
        let owner = verify(&store, "dpf", &check).await.unwrap();
        assert_eq!(owner.pcid.to_string(), "999710000000001");
        let other = |username: &str, password: &str| TripleCheck {
            username: username.into(),
            password: password.into(),
        };
        for wrong in [
            other(&check.username, "wrong"),
            other(&check.username, ""),
            other("999710000000002", &check.password),
            other("admin", &check.password),
            other("", ""),
        ] {
            let problem = verify(&store, "dpf", &wrong).await.unwrap_err();
            assert_eq!(problem.status, axum::http::StatusCode::FORBIDDEN);
            assert!(!problem.to_string().contains(&check.password));
        }
        let blocked = CredentialPatch { state: Some(CredentialState::Blocked), ..CredentialPatch::default() };
        let imsi = "999710000000001".parse().unwrap();
        store.update(imsi, None, blocked, Vec::new()).await.unwrap();
        assert!(verify(&store, "dpf", &check).await.is_err());
    }
}
