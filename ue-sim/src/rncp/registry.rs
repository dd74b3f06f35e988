//! All RNCPs of a device (seed, section 3.2.2: "an entry in the M2M/IoT Node's registry").
//!
//! What holds at any time: "At most one Remote Node Configuration Payload can be active at any time" (section 6.2), hence
//! also at most one selected; an RNCP belongs to one operator, and nobody else's request finds it.

use std::collections::BTreeMap;

use schemas::{
    identity::{Imsi, OperatorId},
    octets::Octets,
    rncp::PartKind,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Event, NoTransition, State};

/// Entries at most: a device's memory is small, and a retired or blocked one costs the same as another.
pub const MAX_RNCPS: usize = 32;

/// A part as the device keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredPart {
    /// Its name in the RNCP.
    pub name: String,
    /// What it is.
    pub kind: PartKind,
    /// SHA-256 of the part as it travelled.
    pub digest: Octets,
    /// It travelled encrypted to the platform key.
    pub sensitive: bool,
    /// It is in the pool that all operators' RNCPs may refer to.
    pub shared: bool,
    /// The generation of the device's state that it was sealed in.
    pub generation: u64,
}

/// One RNCP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its name.
    pub rncp: Uuid,
    /// Whose.
    pub operator: OperatorId,
    /// Where it is in its life.
    pub state: State,
    /// The operator's IMSI for the device.
    pub imsi: Imsi,
    /// Installed at, seconds since 1970 UTC.
    pub installed: u64,
    /// What it consists of.
    pub parts: Vec<StoredPart>,
    /// SEQ_MS(i) by IND that its USIM has accepted (TS 33.102 annex C.2.2).
    pub seq_ms: BTreeMap<u8, u64>,
}

/// Something cannot be done with an RNCP.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The operator has none of that name here; another's is not told apart from none.
    #[error("operator {operator} has no RNCP {rncp} in this device")]
    Unknown {
        /// Who asked.
        operator: OperatorId,
        /// For what.
        rncp: Uuid,
    },
    /// The lifecycle does not allow it.
    #[error("RNCP {rncp}: {why}")]
    Lifecycle {
        /// Which.
        rncp: Uuid,
        /// What is not allowed.
        why: NoTransition,
    },
    /// Another one is active (seed, section 6.2).
    #[error(
        "another RNCP is active; block, retire or delete that one first (seed, section 6.2: at most one is active)"
    )]
    AnotherActive,
    /// There is one of that name.
    #[error("an RNCP {0} is in this device already")]
    Exists(Uuid),
    /// No room.
    #[error("this device holds {MAX_RNCPS} RNCPs; delete one first")]
    Full,
}

/// The registry.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    records: Vec<Record>,
}

impl Registry {
    /// A new entry, Installed whatever its `state` says.
    ///
    /// # Errors
    /// If there is one of that name, whoever's, or no room.
    pub fn install(&mut self, record: Record) -> Result<(), RegistryError> {
        if self.records.iter().any(|other| other.rncp == record.rncp) {
            return Err(RegistryError::Exists(record.rncp));
        }
        if self.records.len() >= MAX_RNCPS {
            return Err(RegistryError::Full);
        }
        self.records.push(Record { state: State::Installed, ..record });
        Ok(())
    }

    /// Lets `event` happen to an RNCP of `operator`; gives the state after it. A deleted one has no entry any more.
    ///
    /// # Errors
    /// If the operator has none of that name, the lifecycle does not allow it, or another is active.
    pub fn change(
        &mut self,
        operator: &OperatorId,
        rncp: Uuid,
        event: Event,
    ) -> Result<State, RegistryError> {
        let unknown = || RegistryError::Unknown { operator: operator.clone(), rncp };
        let record = self.get(operator, rncp).ok_or_else(unknown)?;
        let after = record.state.after(event).map_err(|why| RegistryError::Lifecycle { rncp, why })?;
        if after.is_active() && self.active().is_some_and(|active| active.rncp != rncp) {
            return Err(RegistryError::AnotherActive);
        }
        if after == State::Deleted {
            self.records.retain(|record| record.rncp != rncp);
        } else if let Some(record) = self.records.iter_mut().find(|record| record.rncp == rncp) {
            record.state = after;
            if after == State::Retired {
                // Seed, section 3.2.2: "a credential is permanently deleted but some executable components … are still
                // active".
                record.parts.retain(|part| !part.sensitive);
            }
        }
        Ok(after)
    }

    /// An operator's RNCP.
    #[must_use]
    pub fn get(&self, operator: &OperatorId, rncp: Uuid) -> Option<&Record> {
        self.records.iter().find(|record| record.rncp == rncp && record.operator == *operator)
    }

    /// An operator's RNCPs.
    pub fn of<'a>(&'a self, operator: &'a OperatorId) -> impl Iterator<Item = &'a Record> {
        self.records.iter().filter(move |record| record.operator == *operator)
    }

    /// The one that is activated or selected.
    #[must_use]
    pub fn active(&self) -> Option<&Record> {
        self.records.iter().find(|record| record.state.is_active())
    }

    /// The one that a session is on with.
    #[must_use]
    pub fn selected(&self) -> Option<&Record> {
        self.records.iter().find(|record| record.state == State::Selected)
    }

    /// For the device itself, which is no operator.
    pub(crate) fn all(&self) -> &[Record] {
        &self.records
    }

    /// Keeps what the selected one's USIM has accepted.
    pub(crate) fn accepted(&mut self, imsi: Imsi, seq_ms: BTreeMap<u8, u64>) -> bool {
        let record =
            self.records.iter_mut().find(|record| record.imsi == imsi && record.state == State::Selected);
        record.map(|record| record.seq_ms = seq_ms).is_some()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(rncp: u128, operator: &str) -> Record {
        let part = |name: &str, sensitive| StoredPart {
            name: name.into(),
            kind: PartKind::Data,
            digest: Octets(vec![0; 32]),
            sensitive,
            shared: false,
            generation: 1,
        };
        Record {
            rncp: Uuid::from_u128(rncp),
            operator: operator.parse().unwrap(),
            state: State::Selected,
            imsi: "999010000000001".parse().unwrap(),
            installed: 1,
            parts: vec![part("credentials", true), part("profile", false)],
            seq_ms: BTreeMap::new(),
        }
    }

    #[test]
    fn another_operators_rncp_is_not_found() {
        let mut registry = Registry::default();
        registry.install(record(1, "sho-a")).unwrap();
        let other: OperatorId = "sho-b".parse().unwrap();
        for event in Event::ALL {
            let error = registry.change(&other, Uuid::from_u128(1), event).unwrap_err();
            assert!(matches!(error, RegistryError::Unknown { .. }), "{event:?}");
        }
        assert!(registry.get(&other, Uuid::from_u128(1)).is_none());
        assert_eq!(registry.of(&other).count(), 0);
        assert_eq!(registry.install(record(1, "sho-b")), Err(RegistryError::Exists(Uuid::from_u128(1))));
    }

    #[test]
    fn a_retired_one_has_lost_what_was_sensitive_and_a_second_cannot_be_activated() {
        let mut registry = Registry::default();
        let operator: OperatorId = "sho-a".parse().unwrap();
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        registry.install(record(1, "sho-a")).unwrap();
        registry.install(record(2, "sho-a")).unwrap();
        registry.change(&operator, one, Event::Activate).unwrap();
        assert_eq!(registry.change(&operator, two, Event::Activate), Err(RegistryError::AnotherActive));
        registry.change(&operator, one, Event::Retire).unwrap();
        assert_eq!(registry.get(&operator, one).unwrap().parts.len(), 1);
        assert_eq!(registry.change(&operator, two, Event::Activate), Ok(State::Activated));
    }

    proptest! {
        /// Whatever is asked for in whatever order: each step is one of the table, at most one is active, and what is
        /// refused changes nothing.
        #[test]
        fn sequences_keep_what_holds(steps in prop::collection::vec((0u128..5, 0usize..2, 0usize..8), 0..200)) {
            let operators: [OperatorId; 2] = ["sho-a".parse().unwrap(), "sho-b".parse().unwrap()];
            let mut registry = Registry::default();
            for (rncp, operator, event) in steps {
                let before = registry.clone();
                let name = Uuid::from_u128(rncp);
                let was = before.get(&operators[operator], name).map(|record| record.state);
                let Some(event) = Event::ALL.get(event).copied() else {
                    let done = registry.install(record(rncp, operators[operator].as_str()));
                    prop_assert_eq!(done.is_ok(), !before.all().iter().any(|other| other.rncp == name));
                    prop_assert!(done.is_err() || registry.get(&operators[operator], name).unwrap().state == State::Installed);
                    continue;
                };
                match registry.change(&operators[operator], name, event) {
                    Ok(after) => {
                        prop_assert_eq!(was.unwrap().to(after), Some(event));
                        let now = registry.get(&operators[operator], name).map(|record| record.state);
                        prop_assert_eq!(now, (after != State::Deleted).then_some(after));
                    }
                    Err(_) => prop_assert_eq!(&registry, &before),
                }
                prop_assert!(registry.all().iter().filter(|record| record.state.is_active()).count() <= 1);
                // Nothing happened to any other.
                for record in before.all().iter().filter(|record| record.rncp != name) {
                    prop_assert!(registry.all().contains(record));
                }
            }
        }
    }
}
