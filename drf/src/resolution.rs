//! Step 7: whose subscriber a device is to become, by its PCID. Pure: what is known in, the operator and why out.

use std::fmt;

use schemas::identity::{Imsi, OperatorId, Pcid, SupplierId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// IMSIs from one to another, both included, with equally many digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImsiRange {
    /// The first.
    pub first: Imsi,
    /// The last.
    pub last: Imsi,
}

impl ImsiRange {
    /// Whether it has a first and a last that go together.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(self) -> Result<(), &'static str> {
        if self.first.digits() != self.last.digits() {
            Err("first and last have to have equally many digits")
        } else if self.first.number() > self.last.number() {
            Err("last has to be first or above")
        } else {
            Ok(())
        }
    }

    /// Whether the IMSI is one of them.
    #[must_use]
    pub fn contains(self, imsi: Imsi) -> bool {
        imsi.digits() == self.first.digits()
            && (self.first.number()..=self.last.number()).contains(&imsi.number())
    }
}

/// Devices that go to an operator as long as nobody has said otherwise for one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name.
    pub id: String,
    /// The lowest that fits decides; among equals the first by name.
    pub priority: i64,
    /// Devices of this supplier; of any, if not given.
    pub supplier: Option<SupplierId>,
    /// Devices with these PCIDs; with any, if not given.
    pub range: Option<ImsiRange>,
    /// Where they go.
    pub operator: OperatorId,
}

impl Rule {
    /// Whether it says something about this device.
    #[must_use]
    pub fn fits(&self, pcid: Pcid, supplier: Option<&SupplierId>) -> bool {
        self.supplier.as_ref().is_none_or(|wanted| Some(wanted) == supplier)
            && self.range.is_none_or(|range| range.contains(pcid))
    }
}

/// What binds a device to an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The operator has a contract.
    Contract,
    /// The subscriber has chosen the operator with the claim code.
    Claim,
    /// The rule of this name.
    Rule(String),
}

impl Why {
    /// As one word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Contract => "contract",
            Self::Claim => "claim",
            Self::Rule(_) => "rule",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(id) => write!(f, "rule {id}"),
            other => f.write_str(other.word()),
        }
    }
}

/// What is known of a device that matters here.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Who.
    pub pcid: Pcid,
    /// By whom it was made.
    pub supplier: Option<&'a SupplierId>,
    /// Who has a contract.
    pub contract: Option<&'a OperatorId>,
    /// Whom the subscriber has chosen.
    pub claim: Option<&'a OperatorId>,
}

/// Whose the device is: by contract, else by claim, else by the rule that fits with the lowest priority.
#[must_use]
pub fn resolve<'a>(device: Known<'a>, rules: &'a [Rule]) -> Option<(&'a OperatorId, Why)> {
    if let Some(operator) = device.contract {
        return Some((operator, Why::Contract));
    }
    if let Some(operator) = device.claim {
        return Some((operator, Why::Claim));
    }
    let fitting = rules.iter().filter(|rule| rule.fits(device.pcid, device.supplier));
    let rule = fitting.min_by(|a, b| (a.priority, &a.id).cmp(&(b.priority, &b.id)))?;
    Some((&rule.operator, Why::Rule(rule.id.clone())))
}
