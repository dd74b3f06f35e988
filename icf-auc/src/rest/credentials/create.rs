//! A credential as it comes in a request, checked and made ready for the store.

use schemas::{rest::NewCredential as Asked, subscription::Overrides};
use service::problem::Problem;

use crate::auc::keys::SubscriberKeys;
use crate::auc::sqn::{Layout, Sqn};
use crate::model::{AuthMaterial, Credential, CredentialState, Profile, Timestamp};
use crate::rest::allowances::{self, Allowances};
use crate::rest::failure::{Fields, OrProblem};
use crate::rest::{RestState, convert};
use crate::store::{NewCredential, pool};

/// Checks all fields; tells all that are wrong.
pub(super) async fn checked(
    state: &RestState,
    asked: Asked,
    allow: Allowances,
) -> Result<NewCredential, Problem> {
    let mut wrong = Fields::default();
    let auth = auth(&asked, &mut wrong);
    let amf = convert::amf(&asked.amf);
    if amf.is_none() {
        wrong.wrong("/amf", "4 hexadecimal digits, such as 8000 (TS 33.102 annex H)");
    }
    let next_seq = next_seq(&asked, &mut wrong);
    if asked.msisdn.as_deref().is_some_and(|msisdn| !is_msisdn(msisdn)) {
        wrong.wrong("/msisdn", MSISDN);
    }
    let profile = state.store.profile(&asked.profile).await.or_problem()?;
    match &profile {
        None => wrong.wrong("/profile", no_profile(&asked.profile)),
        Some(profile) => check_overrides(&asked.overrides, profile, &mut wrong),
    }
    if let Some(reason) =
        allowances::networks(&state.networks, allow.allow_other_networks).refusal(asked.imsi)
    {
        wrong.wrong("/imsi", reason);
    }
    if let (Some(profile), Some(address), false) = (&profile, asked.address, allow.allow_other_addresses)
        && let Some(reason) = pool::refusal(profile, address)
    {
        wrong.wrong("/address", reason);
    }
    wrong.check()?;
    let (Some(auth), Some(amf), Some(next_seq), Some(profile)) = (auth, amf, next_seq, profile) else {
        return Err(Problem::internal(&"a field was wrong and not told"));
    };
    let now = Timestamp::now();
    let credential = Credential {
        imsi: asked.imsi,
        auth,
        amf,
        ind_bitlen: asked.ind_bitlen,
        state: CredentialState::Active,
        expires_at: match asked.expires_at {
            Some(at) => Some(convert::timestamp(at)),
            None => profile.lifetime.map(|seconds| now.plus(seconds)),
        },
        profile: asked.profile,
        attach_budget: asked.attach_budget,
        attaches: 0,
        address: asked.address,
        triple: None,
        msisdn: asked.msisdn,
        overrides: asked.overrides,
        mode: asked.mode.into(),
        batch: None,
        created_at: now,
        updated_at: now,
        version: 0,
    };
    Ok(NewCredential { credential, next_seq })
}

/// K with OPc or OP, or none of them and a pool.
fn auth(asked: &Asked, wrong: &mut Fields) -> Option<AuthMaterial> {
    match (&asked.k, &asked.opc, &asked.op, asked.pool) {
        (Some(k), Some(opc), None, false) => {
            Some(AuthMaterial::Keys { k: k.key().clone(), opc: opc.key().clone() })
        }
        (Some(k), None, Some(op), false) => {
            let keys = SubscriberKeys::from_op(k.key().clone(), op.key());
            Some(AuthMaterial::Keys { k: keys.k().clone(), opc: keys.opc().clone() })
        }
        (None, None, None, true) => Some(AuthMaterial::Pool),
        (_, _, _, true) => {
            wrong.wrong("/pool", "a credential with a pool has neither k nor opc nor op: leave them out");
            None
        }
        (Some(_), Some(_), Some(_), false) => {
            wrong.wrong("/op", "give either opc or op");
            None
        }
        (Some(_), None, None, false) => {
            wrong.wrong("/opc", "missing: give opc, or op to have it computed");
            None
        }
        (None, ..) => {
            wrong.wrong("/k", "missing: give k and opc, or pool: true if K stays elsewhere");
            None
        }
    }
}

/// The SEQ to start with: above that of the SQN another AuC used last (TS 33.102 §C.1.1.1).
fn next_seq(asked: &Asked, wrong: &mut Fields) -> Option<u64> {
    let Ok(layout) = Layout::new(asked.ind_bitlen) else {
        wrong.wrong("/ind_bitlen", format!("0 to {}", Layout::MAX_IND_BITLEN));
        return None;
    };
    let Some(last) = asked.sqn else {
        // SEQ 0 is what a fresh USIM has accepted already (TS 33.102 §C.2.1).
        return Some(1);
    };
    let next = (last >> asked.ind_bitlen).saturating_add(1);
    if next > layout.max_seq() {
        wrong.wrong("/sqn", format!("no numbers are left above it; at most 48 bits ({})", Sqn::MAX.value()));
        return None;
    }
    Some(next)
}

/// Tells all that does not go together with the profile.
pub(super) fn check_overrides(overrides: &Overrides, profile: &Profile, wrong: &mut Fields) {
    for field in overrides.merged(profile).err().into_iter().flatten() {
        wrong.wrong(format!("/overrides{}", field.pointer), field.detail);
    }
}

/// What an MSISDN is.
pub(super) const MSISDN: &str = "1 to 15 decimal digits, the number without + (ITU-T E.164)";

/// Whether a text is one.
pub(super) fn is_msisdn(text: &str) -> bool {
    (1..=15).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit())
}

/// That there is no such profile, and what to do.
pub(super) fn no_profile(name: &str) -> String {
    format!("there is no profile {name:?}; GET /v1/profiles lists them, PUT /v1/profiles/… makes one")
}
