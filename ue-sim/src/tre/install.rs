//! Installation as one step (seed, section 5 step 17): every part is on disk, sealed, before the one write that makes the
//! new RNCP the operator's and the old one go. Until that write the device is as before.

use std::{collections::BTreeSet, path::Path, sync::PoisonError};

use schemas::{
    cose,
    identity::{Imsi, OperatorId},
    rncp::{CREDENTIALS, Credentials, Part, part_aad},
};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{
    GoodManifest, Reason, Tre, TreError,
    files::replace,
    operator::{Place, place},
    state::DeviceState,
};
use crate::rncp::{Event, Record, State, StoredPart};

/// What was installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The RNCP, Activated.
    pub rncp: Uuid,
    /// Whose.
    pub operator: OperatorId,
    /// The device's IMSI there.
    pub imsi: Imsi,
    /// The RNCPs that it took the place of.
    pub replaced: Vec<Uuid>,
}

/// A sensitive part, decrypted.
type Opened = Zeroizing<Vec<u8>>;

impl Tre {
    /// Installs and activates the RNCP of a good manifest whose parts are staged or here; `and` changes the device's state
    /// in the same step. The same operator's other RNCPs are deleted in it; a session with one of them ends.
    ///
    /// # Errors
    /// Another operator's RNCP is active, a part is missing, changed or does not open, or the disk fails or is full. The
    /// device is as before then.
    pub(crate) fn install(
        &self,
        manifest: &GoodManifest,
        at: u64,
        and: impl FnOnce(&mut DeviceState),
    ) -> Result<Installed, TreError> {
        let _work = self.0.work.lock().unwrap_or_else(PoisonError::into_inner);
        let manifest = manifest.get();
        let operator = &manifest.operator;
        if self.active().is_some_and(|active| active.operator != *operator) {
            return Err(TreError::refused(
                Reason::OtherOperatorActive,
                "another operator's RNCP is active; it has to be blocked, retired or deleted first",
            ));
        }
        let mut parts = Vec::with_capacity(manifest.parts.len());
        let mut credentials = None;
        for part in &manifest.parts {
            let (stored, opened) = self.put(operator, manifest.rncp, part)?;
            parts.push(stored);
            if part.name == CREDENTIALS {
                let read = opened.as_ref().map(|opened| Credentials::decode(opened));
                credentials = Some(read.transpose().map_err(|error| {
                    TreError::refused(
                        super::manifest::reason_of_cbor(&error),
                        "the credentials cannot be read",
                    )
                })?);
            }
        }
        let credentials = credentials
            .flatten()
            .ok_or_else(|| TreError::refused(Reason::NoCredentials, "the RNCP has no credentials inside"))?;
        let record = Record {
            rncp: manifest.rncp,
            operator: operator.clone(),
            state: State::Installed,
            imsi: credentials.imsi,
            installed: at,
            parts,
            seq_ms: Default::default(),
        };
        let replaced = self.commit(|state| {
            let replaced = clear(state, operator)?;
            state.registry.install(record)?;
            state.registry.change(operator, manifest.rncp, Event::Activate)?;
            and(state);
            Ok(replaced)
        })?;
        self.sweep_now();
        Ok(Installed { rncp: manifest.rncp, operator: operator.clone(), imsi: credentials.imsi, replaced })
    }

    /// Seals one part in its place, unless it is there; a sensitive one is given opened, too.
    fn put(
        &self,
        operator: &OperatorId,
        rncp: Uuid,
        part: &Part,
    ) -> Result<(StoredPart, Option<Opened>), TreError> {
        if let Some(stored) = self.operator(operator).find(part) {
            return Ok((stored, None));
        }
        let wire = self.take_staged(operator, part)?;
        let plain = if part.sensitive {
            cose::decrypt(&wire, &part_aad(rncp, &part.name), self.platform_key())?
        } else {
            Zeroizing::new(wire)
        };
        let stored = StoredPart {
            name: part.name.clone(),
            kind: part.kind,
            digest: part.digest.clone(),
            sensitive: part.sensitive,
            shared: part.shared,
            generation: self.generation(),
        };
        let Place { compartment, path } = place(operator, rncp, &stored);
        let sealed = self.0.key.compartment(&compartment)?.seal(&path, stored.generation, &plain)?;
        let file = self.0.folder.join(&path);
        let folder = file.parent().unwrap_or(&self.0.folder);
        self.0.files.create_dir(folder).map_err(TreError::at(folder))?;
        replace(self.0.files.as_ref(), &file, &sealed).map_err(TreError::at(&file))?;
        Ok((stored, part.sensitive.then_some(plain)))
    }

    /// Removes the files that nothing refers to: of deleted RNCPs, of installations that were cut, of downloads that nobody
    /// goes on with. What cannot be removed now is removed another time.
    pub(crate) fn sweep(&self) {
        let _work = self.0.work.lock().unwrap_or_else(PoisonError::into_inner);
        self.sweep_now();
    }

    fn sweep_now(&self) {
        let (kept, downloading) = self.read(|state| {
            let mut kept = BTreeSet::new();
            for record in state.registry.all() {
                let places = record.parts.iter().map(|part| place(&record.operator, record.rncp, part).path);
                kept.extend(places);
            }
            let open = state.conversation.as_ref().filter(|conversation| conversation.ended.is_none());
            (kept, open.map(|conversation| conversation.rnct.operator.clone()))
        });
        let files = self.0.files.as_ref();
        let clear = |folder: String| {
            for name in files.list(&self.0.folder.join(&folder)).unwrap_or_default() {
                let path = format!("{folder}/{name}");
                if !kept.contains(&path)
                    && let Err(error) = files.remove(&self.0.folder.join(&path))
                {
                    tracing::warn!(device = %self.device_id(), path, %error, "a file that is not needed stays");
                }
            }
        };
        clear("shared".to_owned());
        for operator in files.list(&self.0.folder.join(Path::new("operators"))).unwrap_or_default() {
            clear(format!("operators/{operator}/rncp"));
            clear(format!("operators/{operator}/parts"));
            if downloading.as_ref().is_none_or(|downloading| downloading.as_str() != operator) {
                clear(format!("operators/{operator}/staging"));
            }
        }
    }
}

/// Deletes what the operator has; gives their names.
fn clear(state: &mut DeviceState, operator: &OperatorId) -> Result<Vec<Uuid>, TreError> {
    let old: Vec<(Uuid, State)> =
        state.registry.of(operator).map(|record| (record.rncp, record.state)).collect();
    for (rncp, was) in &old {
        if *was == State::Selected {
            state.registry.change(operator, *rncp, Event::EndSession)?;
        }
        state.registry.change(operator, *rncp, Event::Delete)?;
    }
    Ok(old.into_iter().map(|(rncp, _)| rncp).collect())
}
