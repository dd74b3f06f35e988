//! Changing a credential.

use std::sync::Arc;

use schemas::{identity::Imsi, rest, subscription::Overrides};
use service::problem::Problem;

use super::create::{MSISDN, check_overrides, is_msisdn, no_profile};
use super::{ATTEMPTS, busy, gone, lost_race};
use crate::model::{Credential, CredentialState, Profile, Timestamp};
use crate::rest::allowances::AddressAllowance;
use crate::rest::etag::Preconditions;
use crate::rest::failure::{self, Fields, OrProblem};
use crate::rest::{RestState, convert, effects};
use crate::store::{CredentialPatch, pool};

/// Changes it; what follows for its serving node depends on what is there, so that it is read first and the change
/// holds for that version alone.
pub(super) async fn apply(
    state: &RestState,
    imsi: Imsi,
    preconditions: &Preconditions,
    asked: &rest::CredentialPatch,
    allow: AddressAllowance,
) -> Result<Credential, Problem> {
    check(state, asked).await?;
    let mut patch = CredentialPatch {
        state: asked.state.map(Into::into),
        profile: asked.profile.clone(),
        expires_at: asked.expires_at.map(|end| end.map(convert::timestamp)),
        attach_budget: asked.attach_budget,
        address: asked.address,
        msisdn: asked.msisdn.clone(),
        overrides: None,
    };
    for _ in 0..ATTEMPTS {
        let before = state.store.credential(imsi).await.or_problem()?.ok_or_else(|| gone(imsi))?;
        preconditions.check(Some(before.version))?;
        if *asked == rest::CredentialPatch::default() {
            return Ok(before);
        }
        let back = patch.state.is_some_and(|state| state != CredentialState::Disabled);
        if back && before.state == CredentialState::Disabled {
            return Err(Problem::conflict("it is disabled, and that is for good; store a new credential"));
        }
        patch.overrides = match &asked.overrides {
            None => None,
            Some(None) => Some(Overrides::default()),
            Some(Some(fields)) => {
                let other = before.overrides.patched(fields);
                Some(other.map_err(|why| failure::field("/overrides", why))?)
            }
        };
        check_address(state, &before, &patch, allow).await?;
        let (old, new) = profiles(state, &before, &patch).await?;
        let registrations = state.store.registration(imsi).await.or_problem()?;
        let change = effects::Change { before: &before, patch: &patch, old: &old, new: &new };
        let send = effects::of_patch(&change, &registrations, Timestamp::now());
        match state.store.update(imsi, Some(before.version), patch.clone(), send).await {
            Ok(after) => {
                state.control.changed(Some(imsi));
                return Ok(after);
            }
            Err(error) => lost_race(state, imsi, before.version, preconditions, error).await?,
        }
    }
    Err(busy())
}

/// The credential's profile with its overrides, before and after.
async fn profiles(
    state: &RestState,
    before: &Credential,
    patch: &CredentialPatch,
) -> Result<(Arc<Profile>, Arc<Profile>), Problem> {
    let named = async |name: &str| {
        let profile = state.store.profile(name).await.or_problem()?;
        profile.map(Arc::new).ok_or_else(|| failure::field("/profile", no_profile(name)))
    };
    let old = named(&before.profile).await?;
    let new = match &patch.profile {
        Some(name) => named(name).await?,
        None => old.clone(),
    };
    let overrides = patch.overrides.as_ref().unwrap_or(&before.overrides);
    if patch.overrides.is_some() || patch.profile.is_some() {
        let mut wrong = Fields::default();
        check_overrides(overrides, &new, &mut wrong);
        wrong.check()?;
    }
    let after = Credential { overrides: overrides.clone(), ..before.clone() };
    Ok((before.effective(old), after.effective(new)))
}

async fn check(state: &RestState, asked: &rest::CredentialPatch) -> Result<(), Problem> {
    let mut wrong = Fields::default();
    if let Some(profile) = &asked.profile
        && state.store.profile(profile).await.or_problem()?.is_none()
    {
        wrong.wrong("/profile", no_profile(profile));
    }
    if let Some(Some(msisdn)) = &asked.msisdn
        && !is_msisdn(msisdn)
    {
        wrong.wrong("/msisdn", MSISDN);
    }
    wrong.check()
}

/// Another address is of the pool of the profile that the credential then has.
async fn check_address(
    state: &RestState,
    before: &Credential,
    patch: &CredentialPatch,
    allow: AddressAllowance,
) -> Result<(), Problem> {
    let Some(Some(address)) = patch.address else { return Ok(()) };
    if allow.allow_other_addresses || before.address == Some(address) {
        return Ok(());
    }
    let profile = patch.profile.as_ref().unwrap_or(&before.profile);
    let profile = state.store.profile(profile).await.or_problem()?;
    match profile.and_then(|profile| pool::refusal(&profile, address)) {
        Some(reason) => Err(failure::field("/address", reason)),
        None => Ok(()),
    }
}
