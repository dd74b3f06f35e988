//! Parts on their way: kept as they travel, so that a download goes on where it was cut. A sensitive one is still encrypted
//! to the platform key, any other is no secret.

use std::path::PathBuf;

use schemas::{identity::OperatorId, rncp::Part};

use super::{Reason, Tre, TreError};

impl Tre {
    fn staging(&self, operator: &OperatorId) -> PathBuf {
        self.0.folder.join("operators").join(operator.as_str()).join("staging")
    }

    fn staged(&self, operator: &OperatorId, part: &Part) -> PathBuf {
        self.staging(operator).join(part.digest_hex())
    }

    /// Octets of the part that are here.
    pub(crate) fn staged_len(&self, operator: &OperatorId, part: &Part) -> Result<u64, TreError> {
        let path = self.staged(operator, part);
        Ok(self.0.files.len(&path).map_err(TreError::at(&path))?.unwrap_or(0))
    }

    /// Adds octets to it.
    pub(crate) fn stage(&self, operator: &OperatorId, part: &Part, octets: &[u8]) -> Result<(), TreError> {
        let folder = self.staging(operator);
        self.0.files.create_dir(&folder).map_err(TreError::at(&folder))?;
        let path = self.staged(operator, part);
        self.0.files.append(&path, octets).map_err(TreError::at(&path))
    }

    /// Sees that all of it is here and durable.
    ///
    /// # Errors
    /// [`Reason::WrongDigest`] if it is another part than the manifest means; it is gone then.
    pub(crate) fn finish_staged(&self, operator: &OperatorId, part: &Part) -> Result<(), TreError> {
        let path = self.staged(operator, part);
        if part.size == 0 {
            // Nothing has come, so nothing has made the file.
            self.stage(operator, part, &[])?;
        }
        let octets = self.0.files.read(&path).map_err(TreError::at(&path))?;
        if !part.is(&octets) {
            self.unstage(operator, part)?;
            return Err(TreError::refused(
                Reason::WrongDigest,
                format!("part {}: what came is not what the operator signed", part.name),
            ));
        }
        self.0.files.sync(&path).map_err(TreError::at(&path))
    }

    /// Throws away what came of it.
    pub(crate) fn unstage(&self, operator: &OperatorId, part: &Part) -> Result<(), TreError> {
        let path = self.staged(operator, part);
        self.0.files.remove(&path).map_err(TreError::at(&path))
    }

    /// All of it, checked again: it may have lain on the disk for long.
    pub(super) fn take_staged(&self, operator: &OperatorId, part: &Part) -> Result<Vec<u8>, TreError> {
        let path = self.staged(operator, part);
        let octets = match self.0.files.len(&path).map_err(TreError::at(&path))? {
            Some(_) => self.0.files.read(&path).map_err(TreError::at(&path))?,
            None => {
                let detail = format!("part {} is neither here nor was it sent", part.name);
                return Err(TreError::refused(Reason::PartsMissing, detail));
            }
        };
        if part.is(&octets) {
            return Ok(octets);
        }
        self.unstage(operator, part)?;
        Err(TreError::refused(Reason::WrongDigest, format!("part {}: it was changed on the disk", part.name)))
    }
}
