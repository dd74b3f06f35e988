//! What a request asks to be taken although it looks like a mistake.

use serde::Deserialize;
use utoipa::IntoParams;

use crate::networks::ServedNetworks;

/// For credentials that are new here.
#[derive(Debug, Clone, Copy, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Allowances {
    /// Take IMSIs of networks that are not served here (`icf.networks`).
    #[serde(default)]
    #[param(required = false)]
    pub allow_other_networks: bool,
    /// Take an address outside the profile's pool.
    #[serde(default)]
    #[param(required = false)]
    pub allow_other_addresses: bool,
}

/// For a change of an address.
#[derive(Debug, Clone, Copy, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AddressAllowance {
    /// Take an address outside the profile's pool.
    #[serde(default)]
    #[param(required = false)]
    pub allow_other_addresses: bool,
}

/// For a batch.
#[derive(Debug, Clone, Copy, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct NetworkAllowance {
    /// Issue IMSIs of networks that are not served here (`icf.networks`), or of more than one.
    #[serde(default)]
    #[param(required = false)]
    pub allow_other_networks: bool,
}

/// The networks that are served, or all where that is allowed.
pub(super) fn networks(served: &ServedNetworks, allow_other: bool) -> ServedNetworks {
    if allow_other { ServedNetworks::any() } else { served.clone() }
}
