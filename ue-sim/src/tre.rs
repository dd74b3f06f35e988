//! The trusted environment (seed, section 3.2.3): identities, platform key and certificate, measured state, and a store
//! that keeps one operator's RNCP from another's.
//!
//! On disk, in one folder:
//!
//! | file | what | sealed with |
//! |---|---|---|
//! | `storage.key` | the storage key, 0600; **a real device has it in hardware**, where no software can read it | – |
//! | `identity` | what was embedded at manufacture | key of `identity` |
//! | `state` | everything that changes: registry, platform certificate, measured state, trigger and conversation | key of `state` |
//! | `operators/⟨id⟩/rncp/⟨uuid⟩.⟨part⟩` | a sensitive part, decrypted | key of that operator |
//! | `operators/⟨id⟩/parts/⟨digest⟩` | another part | key of that operator |
//! | `operators/⟨id⟩/staging/⟨digest⟩` | a part on its way, as it travels (sensitive ones are still encrypted) | – |
//! | `shared/⟨digest⟩` | a part that the manifest lets others refer to; never a sensitive one | key of `shared` |
//!
//! `state` is replaced by renaming, and everything else is written before and refers to nothing: so whatever happens at
//! whatever moment, the device is in the state before or in the state after. What a crash leaves behind without a
//! reference goes when the device is next opened.
//!
//! Each sealed file is bound to its path and to the generation of the state that it was written in, so that neither
//! another file nor an older one can take its place. That somebody puts back the whole folder as it was cannot be told
//! without a counter in hardware.

mod error;
mod evidence;
pub(crate) mod files;
mod identity;
mod install;
mod manifest;
mod operator;
mod request;
mod seal;
mod staging;
mod state;

#[cfg(test)]
mod tests;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use schemas::{
    cose::{PrivateKey, Signer},
    identity::{DeviceId, OperatorId, Pcid, SupplierId, TreId},
    octets::Octets,
    trust::{Anchors, Leaf},
};
use uuid::Uuid;

use crate::{
    device::Device,
    rncp::{Event, Record, State},
    usim::state::UsimState,
};
use files::{Disk, Files, replace};
use identity::Identity;
use seal::StorageKey;
use state::DeviceState;
pub(crate) use state::{Conversation, Ended};

pub use error::{Reason, StorageKeyError, TreError};
pub use identity::{DebugStatus, Manufacture, Measured, Provisional, Triple};
pub use install::Installed;
pub use manifest::GoodManifest;
pub(crate) use manifest::{Expected, reason_of, reason_of_cbor};
pub use operator::OperatorView;

/// A device's trusted environment. Cheap to clone; all clones are the same one. Debug shows who it is and no key.
///
/// Its methods read and write files and wait for the disk: call those that change something from where waiting is
/// allowed (`spawn_blocking`).
#[derive(Clone)]
pub struct Tre(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    files: Arc<dyn Files>,
    key: StorageKey,
    identity: Identity,
    anchors: Anchors,
    state: Mutex<Kept>,
    /// Held while files are written that no state refers to yet, and while such files are swept away.
    work: Mutex<()>,
    /// The disk did not say whether the last state is on it.
    unsure: AtomicBool,
    /// Held as long as this is open: two programs in one folder would undo each other's work.
    _lock: std::fs::File,
}

struct Kept {
    generation: u64,
    state: DeviceState,
}

impl fmt::Debug for Tre {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tre({} {})", self.0.identity.device_id, self.0.identity.tre_id)
    }
}

const STATE: &str = "state";
const IDENTITY: &str = "identity";
const STORAGE_KEY: &str = "storage.key";

impl Tre {
    /// Makes a device in `folder`, which it creates.
    ///
    /// # Errors
    /// If there is one already, something embedded is not usable, or the disk does not take it.
    pub fn manufacture(folder: impl AsRef<Path>, device: Manufacture) -> Result<Self, TreError> {
        Self::manufacture_on(Arc::new(Disk), folder.as_ref(), device)
    }

    pub(crate) fn manufacture_on(
        files: Arc<dyn Files>,
        folder: &Path,
        device: Manufacture,
    ) -> Result<Self, TreError> {
        files.create_dir(folder).map_err(TreError::at(folder))?;
        let lock = lock(folder)?;
        if files.len(&folder.join(STATE)).map_err(TreError::at(folder))?.is_some() {
            return Err(TreError::AlreadyThere(folder.to_owned()));
        }
        device.check()?;
        let key = StorageKey::create(files.as_ref(), &folder.join(STORAGE_KEY))?;
        let state = DeviceState::new(device.measured.clone(), &device.platform_chain);
        let identity = Identity::from(device);
        let sealed = key.compartment(IDENTITY)?.seal(IDENTITY, 0, &identity.encode()?)?;
        let path = folder.join(IDENTITY);
        replace(files.as_ref(), &path, &sealed).map_err(TreError::at(&path))?;
        // Last: a folder without it is no device yet, and manufacture may be tried again.
        let sealed = key.compartment(STATE)?.seal(STATE, 1, &state.encode()?)?;
        let path = folder.join(STATE);
        replace(files.as_ref(), &path, &sealed).map_err(TreError::at(&path))?;
        Self::assemble(files, folder, key, identity, Kept { generation: 1, state }, lock)
    }

    /// Opens the device in `folder`, as when its power is switched on: the boot count rises.
    ///
    /// # Errors
    /// If there is none, another program has it open, or a file was changed or is another's.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, TreError> {
        Self::open_on(Arc::new(Disk), folder.as_ref())
    }

    pub(crate) fn open_on(files: Arc<dyn Files>, folder: &Path) -> Result<Self, TreError> {
        let path = folder.join(STATE);
        if files.len(&path).map_err(TreError::at(&path))?.is_none() {
            return Err(TreError::NotThere(folder.to_owned()));
        }
        let lock = lock(folder)?;
        let key = StorageKey::open(files.as_ref(), &folder.join(STORAGE_KEY))?;
        let sealed = files.read(&path).map_err(TreError::at(&path))?;
        let (generation, plain) = key.compartment(STATE)?.open_any(STATE, &sealed)?;
        let state = DeviceState::decode(&plain)?;
        let path = folder.join(IDENTITY);
        let sealed = files.read(&path).map_err(TreError::at(&path))?;
        let identity = Identity::decode(&key.compartment(IDENTITY)?.open(IDENTITY, 0, &sealed)?)?;
        let tre = Self::assemble(files, folder, key, identity, Kept { generation, state }, lock)?;
        tre.commit(|state| {
            state.boot_count = state.boot_count.saturating_add(1);
            Ok(())
        })?;
        tre.sweep();
        Ok(tre)
    }

    fn assemble(
        files: Arc<dyn Files>,
        folder: &Path,
        key: StorageKey,
        identity: Identity,
        kept: Kept,
        lock: std::fs::File,
    ) -> Result<Self, TreError> {
        let anchors = Anchors::from_pem(identity.anchors.as_bytes())?;
        Ok(Self(Arc::new(Inner {
            folder: folder.to_owned(),
            files,
            key,
            identity,
            anchors,
            state: Mutex::new(kept),
            work: Mutex::new(()),
            unsure: AtomicBool::new(false),
            _lock: lock,
        })))
    }

    /// Who the device is.
    #[must_use]
    pub fn device_id(&self) -> &DeviceId {
        &self.0.identity.device_id
    }

    /// Which trusted environment this is.
    #[must_use]
    pub fn tre_id(&self) -> &TreId {
        &self.0.identity.tre_id
    }

    /// The PCID that it came with.
    #[must_use]
    pub fn pcid(&self) -> Pcid {
        self.0.identity.pcid
    }

    /// Who made it.
    #[must_use]
    pub fn supplier(&self) -> &SupplierId {
        &self.0.identity.supplier
    }

    /// The call-home triple, if it was given one.
    #[must_use]
    pub fn triple(&self) -> Option<&Triple> {
        self.0.identity.triple.as_ref()
    }

    /// The authorities that it trusts, PEM.
    #[must_use]
    pub fn anchors_pem(&self) -> &str {
        &self.0.identity.anchors
    }

    pub(crate) fn anchors(&self) -> &Anchors {
        &self.0.anchors
    }

    pub(crate) fn platform_key(&self) -> &PrivateKey {
        &self.0.identity.platform_key
    }

    /// The platform certificate and what leads to it, DER, leaf first; empty as long as there is none.
    #[must_use]
    pub fn platform_chain(&self) -> Vec<Vec<u8>> {
        self.kept().state.platform.iter().map(|certificate| certificate.0.clone()).collect()
    }

    /// Takes a new platform certificate.
    ///
    /// # Errors
    /// If it is not of this TRE's key and identities, or the disk does not take it.
    pub fn certify(&self, chain: Vec<Vec<u8>>) -> Result<(), TreError> {
        identity::check_chain(&chain, self.platform_key(), self.tre_id(), self.device_id())?;
        self.commit(|state| {
            state.platform = chain.into_iter().map(Octets).collect();
            Ok(())
        })
    }

    /// Signs as this platform.
    ///
    /// # Errors
    /// If there is no platform certificate yet.
    pub(crate) fn signer(&self) -> Result<Signer, TreError> {
        let chain = self.platform_chain();
        if chain.is_empty() {
            return Err(TreError::NotCertified);
        }
        Ok(Signer::new(self.platform_key(), chain)?)
    }

    /// The platform certificate.
    ///
    /// # Errors
    /// If there is none.
    pub fn platform_certificate(&self) -> Result<Leaf, TreError> {
        let chain = self.platform_chain();
        Ok(Leaf::parse(chain.first().ok_or(TreError::NotCertified)?)?)
    }

    /// The device as it came: its USIM has the provisional credential. `None` if it has none (non-3GPP access).
    ///
    /// # Errors
    /// If the sequence numbers that were kept cannot be.
    pub fn provisional(&self) -> Result<Option<Device>, TreError> {
        let Some(provisional) = &self.0.identity.provisional else { return Ok(None) };
        let device = Device::new(self.pcid(), &provisional.k, &provisional.opc);
        let seq_ms = self.read(|state| state.provisional_seq_ms.clone());
        let accepted = UsimState { imsi: self.pcid(), seq_ms, forbidden_plmns: Vec::new() };
        Ok(Some(device.with_sqn(accepted.array().ok_or(TreError::Damaged("its sequence numbers"))?)))
    }

    /// The parts and RNCPs of one operator, and of nobody else.
    #[must_use]
    pub fn operator<'a>(&'a self, operator: &'a OperatorId) -> OperatorView<'a> {
        OperatorView::new(self, operator)
    }

    /// Lets `event` happen to an RNCP of `operator` (seed, section 3.2.2).
    ///
    /// # Errors
    /// If the operator has no such RNCP, the lifecycle does not allow it, another one is active, or the disk fails.
    pub fn change(&self, operator: &OperatorId, rncp: Uuid, event: Event) -> Result<State, TreError> {
        let state = self.commit(|state| Ok(state.registry.change(operator, rncp, event)?))?;
        if matches!(event, Event::Retire | Event::Delete) {
            self.sweep();
        }
        Ok(state)
    }

    /// What the device has of the RNCP that is active: for the device's owner, no operator is asked.
    #[must_use]
    pub fn active(&self) -> Option<Record> {
        self.kept().state.registry.active().cloned()
    }

    /// Begins a session with the active RNCP: Activated → Selected. Does nothing if one is on.
    ///
    /// # Errors
    /// If none is active, or the disk fails.
    pub fn begin_session(&self) -> Result<Device, TreError> {
        let active = self.active().ok_or(TreError::NothingActive)?;
        if active.state != State::Selected {
            self.change(&active.operator, active.rncp, Event::Select)?;
        }
        self.usim_of_selected()
    }

    /// Ends the session: Selected → Activated. Does nothing if none is on.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn end_session(&self) -> Result<(), TreError> {
        let selected = self.kept().state.registry.selected().cloned();
        match selected {
            Some(record) => self.change(&record.operator, record.rncp, Event::EndSession).map(|_| ()),
            None => Ok(()),
        }
    }

    /// The device with the USIM of the RNCP that is selected, to attach with.
    ///
    /// # Errors
    /// If none is selected, or its credentials cannot be opened.
    pub fn usim_of_selected(&self) -> Result<Device, TreError> {
        let record = self.kept().state.registry.selected().cloned().ok_or(TreError::NothingSelected)?;
        let credentials = self.operator(&record.operator).credentials(record.rncp)?;
        let device = Device::new(credentials.imsi, &credentials.k(), &credentials.opc());
        let accepted = UsimState { imsi: record.imsi, seq_ms: record.seq_ms, forbidden_plmns: Vec::new() };
        Ok(device.with_sqn(accepted.array().ok_or(TreError::Damaged("its sequence numbers"))?))
    }

    /// Keeps the sequence numbers that the USIM of the selected RNCP, or of the provisional credential, has accepted
    /// (TS 33.102 annex C.2), so that none is accepted again after the next start.
    ///
    /// # Errors
    /// If the device is neither of them, or the disk fails.
    pub fn keep_usim(&self, device: &Device) -> Result<(), TreError> {
        let UsimState { imsi, seq_ms, .. } = UsimState::of(device.imsi, &device.usim);
        self.commit(|state| {
            if state.registry.accepted(imsi, seq_ms.clone()) {
                return Ok(());
            }
            if imsi == self.pcid() {
                state.provisional_seq_ms = seq_ms;
                return Ok(());
            }
            Err(TreError::NothingSelected)
        })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // What a panicking thread left is whole: the state is replaced as one.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The generation that a file sealed now belongs to.
    pub(crate) fn generation(&self) -> u64 {
        self.kept().generation + 1
    }

    /// Reads the state.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&DeviceState) -> T) -> T {
        look(&self.kept().state)
    }

    /// Changes the state, in memory and on disk, or neither.
    pub(crate) fn commit<T>(
        &self,
        change: impl FnOnce(&mut DeviceState) -> Result<T, TreError>,
    ) -> Result<T, TreError> {
        if self.0.unsure.load(Ordering::SeqCst) {
            return Err(TreError::Unsure);
        }
        let mut kept = self.kept();
        let generation = kept.generation + 1;
        let mut state = kept.state.clone();
        let result = change(&mut state)?;
        let files = self.0.files.as_ref();
        let sealed = self.0.key.compartment(STATE)?.seal(STATE, generation, &state.encode()?)?;
        let path = self.0.folder.join(STATE);
        let new = files::beside(&path);
        if let Err(error) = files.write(&new, &sealed) {
            let _ = files.remove(&new);
            return Err(TreError::at(&new)(error));
        }
        files.rename(&new, &path).map_err(TreError::at(&path))?;
        if let Err(error) = files.sync_dir(&self.0.folder) {
            // It may be there after a power failure or not: only reading it again tells.
            self.0.unsure.store(true, Ordering::SeqCst);
            return Err(TreError::at(&path)(error));
        }
        *kept = Kept { generation, state };
        drop(kept);
        Ok(result)
    }
}

/// Takes the folder for this program.
fn lock(folder: &Path) -> Result<std::fs::File, TreError> {
    let path = folder.join("lock");
    let file = std::fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(TreError::at(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(TreError::InUse(folder.to_owned())),
        Err(std::fs::TryLockError::Error(error)) => Err(TreError::at(&path)(error)),
    }
}

/// Seconds since 1970 UTC, by the device's clock.
#[must_use]
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
