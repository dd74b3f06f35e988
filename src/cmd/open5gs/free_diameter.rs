//! freeDiameter's configuration as freeDiameter itself reads it: `mme.conf`, or the section of the same meaning in
//! `mme.yaml` (`mme: freeDiameter: { identity: … }`).
//!
//! The grammar is that of r1.5.0, with which every Open5GS from 2.3 to 2.8 is built; the tests hold it against Debian's
//! freeDiameterd.

mod condition;
mod configuration;
mod grammar;
mod keyword;
mod lexer;
mod names;
mod section;
mod startup;
mod tls;

pub use condition::Condition;
pub use configuration::{Connect, FreeDiameter, PORT, PORT_TLS, TC_TIMER, Without};
pub use names::numeric_address;
pub use section::section;
pub use startup::conditions;

use super::fault::Fault;
use super::yaml;

/// Reads a configuration.
///
/// # Errors
/// The first thing that freeDiameter does not take, with its line and column.
pub fn read(text: &[u8]) -> Result<FreeDiameter, Fault> {
    grammar::parse(text).map_err(|fault| match daemon_of_yaml(text) {
        None => fault,
        Some(daemon) => Fault {
            found: format!("this is YAML, as {daemon}.yaml is, not a configuration of freeDiameter"),
            remedy: format!(
                "give it as --{daemon}-yaml; mme.conf has statements such as Identity = \"mme.localdomain\";"
            ),
            ..fault
        },
    })
}

/// Of which daemon a YAML file is that was given as one of freeDiameter.
fn daemon_of_yaml(text: &[u8]) -> Option<String> {
    let root = yaml::read(std::str::from_utf8(text).ok()?).ok()?;
    let daemon =
        root.pairs().iter().find(|(key, _)| ["mme", "hss", "smf", "upf", "pcrf"].contains(&&**key))?;
    Some(daemon.0.clone())
}

#[cfg(test)]
mod tests;
