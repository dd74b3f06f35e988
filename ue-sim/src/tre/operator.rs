//! What one operator has in the device, and nothing of another's (seed, section 7.1: "strictly separated, and neither of
//! the two operators … shall be allowed to obtain the other's").
//!
//! Two things keep them apart: an RNCP is looked up by operator and name together, and an operator's files are sealed with
//! a key of that operator's own.

use std::path::PathBuf;

use schemas::{
    identity::OperatorId,
    rncp::{CREDENTIALS, Credentials, Part, digest},
};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Tre, TreError};
use crate::rncp::{Record, StoredPart};

/// One operator's view of the device.
#[derive(Debug, Clone, Copy)]
pub struct OperatorView<'a> {
    tre: &'a Tre,
    operator: &'a OperatorId,
}

/// Where a file is, below the device's folder, and the compartment whose key seals it.
pub(super) struct Place {
    pub(super) compartment: String,
    pub(super) path: String,
}

/// Where a part of an operator's RNCP is.
pub(super) fn place(operator: &OperatorId, rncp: Uuid, part: &StoredPart) -> Place {
    let own = format!("operator {operator}");
    let digest = hex::encode(part.digest.as_ref());
    if part.sensitive {
        Place { compartment: own, path: format!("operators/{operator}/rncp/{rncp}.{}", part.name) }
    } else if part.shared {
        Place { compartment: "shared".to_owned(), path: format!("shared/{digest}") }
    } else {
        Place { compartment: own, path: format!("operators/{operator}/parts/{digest}") }
    }
}

impl<'a> OperatorView<'a> {
    pub(super) fn new(tre: &'a Tre, operator: &'a OperatorId) -> Self {
        Self { tre, operator }
    }

    /// Its RNCPs.
    #[must_use]
    pub fn rncps(&self) -> Vec<Record> {
        self.tre.read(|state| state.registry.of(self.operator).cloned().collect())
    }

    /// A part of one of its RNCPs, opened.
    ///
    /// # Errors
    /// If it has no such RNCP or that no such part, or the file does not open.
    pub fn part(&self, rncp: Uuid, name: &str) -> Result<Zeroizing<Vec<u8>>, TreError> {
        let record = self.tre.read(|state| state.registry.get(self.operator, rncp).cloned());
        let record = record
            .ok_or_else(|| crate::rncp::RegistryError::Unknown { operator: self.operator.clone(), rncp })?;
        let part = record.parts.iter().find(|part| part.name == name);
        self.open(rncp, part.ok_or_else(|| TreError::NoPart(name.to_owned()))?)
    }

    /// The credentials of one of its RNCPs.
    ///
    /// # Errors
    /// As [`part`](Self::part); a retired RNCP has none any more.
    pub fn credentials(&self, rncp: Uuid) -> Result<Credentials, TreError> {
        Credentials::decode(&self.part(rncp, CREDENTIALS)?)
            .map_err(|_| TreError::Damaged("the credentials of an RNCP"))
    }

    /// The part that a manifest of this operator names, if it is here already and whole: of this operator, or in the pool
    /// of shared ones if the manifest says `shared`. Never a sensitive one: those are of one RNCP alone.
    pub(crate) fn find(&self, part: &Part) -> Option<StoredPart> {
        if part.sensitive {
            return None;
        }
        let candidates: Vec<(Uuid, StoredPart)> = self.tre.read(|state| {
            let records = state.registry.all().iter();
            records
                .filter(|record| part.shared || record.operator == *self.operator)
                .flat_map(|record| record.parts.iter().map(|stored| (record.rncp, stored.clone())))
                .filter(|(_, stored)| {
                    !stored.sensitive && stored.shared == part.shared && stored.digest == part.digest
                })
                .collect()
        });
        // A damaged file is as good as none: the part travels again.
        candidates.into_iter().find_map(|(rncp, stored)| {
            let content = self.open(rncp, &stored).ok()?;
            (digest(&content) == *part.digest.as_ref()).then(|| StoredPart {
                name: part.name.clone(),
                kind: part.kind,
                ..stored
            })
        })
    }

    fn open(&self, rncp: Uuid, part: &StoredPart) -> Result<Zeroizing<Vec<u8>>, TreError> {
        let Place { compartment, path } = place(self.operator, rncp, part);
        let file: PathBuf = self.tre.0.folder.join(&path);
        let sealed = self.tre.0.files.read(&file).map_err(TreError::at(&file))?;
        self.tre.0.key.compartment(&compartment)?.open(&path, part.generation, &sealed)
    }
}
