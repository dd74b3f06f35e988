//! Files of simulated devices, as they are named on the command line.

use std::{collections::BTreeMap, path::Path};

use schemas::identity::Imsi;
use ue_sim::{
    device::{self, Device},
    usim::state::{self, UsimState},
};

use super::client::Failure;

/// The devices of a file of credentials.
///
/// # Errors
/// That it cannot be read or has a line that is none: wrong usage.
pub fn read(file: &Path) -> anyhow::Result<Vec<Device>> {
    device::read(file).map_err(|error| Failure::Usage(error.to_string()).into())
}

/// What USIMs have accepted, by the file that keeps it.
///
/// # Errors
/// That it cannot be read: wrong usage.
pub fn usims(file: &Path) -> anyhow::Result<BTreeMap<Imsi, UsimState>> {
    state::load(file).map_err(|error| Failure::Usage(error.to_string()).into())
}
