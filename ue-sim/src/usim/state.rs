//! What a USIM keeps while it is switched off: its array of sequence numbers and the networks that are forbidden to it,
//! in a JSON file.
//!
//! Keys are not in it: they come from where the device's credentials are kept.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use schemas::identity::{Imsi, Plmn};
use serde::{Deserialize, Serialize};

use super::{SqnArray, Usim};

/// What one USIM remembers. A file holds one a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsimState {
    /// Whose.
    pub imsi: Imsi,
    /// SEQ_MS(i) by IND (TS 33.102 annex C.2.2); entries that are 0 are left out.
    pub seq_ms: BTreeMap<u8, u64>,
    /// EF FPLMN (TS 31.102 §4.2.16): networks that have refused the device for good, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forbidden_plmns: Vec<Plmn>,
}

/// Why a state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file cannot be read or written.
    #[error("the USIM state {file}: {why}")]
    Io {
        /// Its path.
        file: String,
        /// What the system says.
        why: io::Error,
    },
    /// A line is not a state.
    #[error(
        "the USIM state {file}, line {line}: {what}; delete the file to start with USIMs as new (they will \
         ask for resynchronisation if the network is ahead)"
    )]
    Line {
        /// Its path.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
}

impl UsimState {
    /// The state of `usim`, known as `imsi`.
    #[must_use]
    pub fn of(imsi: Imsi, usim: &Usim) -> Self {
        let entries = (0u8..).zip(*usim.sqn().entries());
        let seq_ms = entries.filter(|(_, seq)| *seq > 0).collect();
        Self { imsi, seq_ms, forbidden_plmns: usim.forbidden_plmns().to_vec() }
    }

    /// The array that it describes, with the default limits. `None` if an IND is above 31 or a SEQ has more
    /// than 43 bits.
    #[must_use]
    pub fn array(&self) -> Option<SqnArray> {
        let mut array = SqnArray::default();
        self.seq_ms.iter().all(|(ind, seq)| array.restore(*ind, *seq)).then_some(array)
    }
}

/// Reads the states in `file`. A file that does not exist holds none.
///
/// # Errors
/// If the file cannot be read, or a line is not a state.
pub fn load(file: &Path) -> Result<BTreeMap<Imsi, UsimState>, StateError> {
    let name = || file.display().to_string();
    let input = match File::open(file) {
        Ok(input) => BufReader::new(input),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(why) => return Err(StateError::Io { file: name(), why }),
    };
    let mut states = BTreeMap::new();
    for (line, text) in (1..).zip(input.lines()) {
        let text = text.map_err(|why| StateError::Io { file: name(), why })?;
        if text.trim().is_empty() {
            continue;
        }
        let wrong = |what: String| StateError::Line { file: name(), line, what };
        let state: UsimState = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
        if state.array().is_none() {
            return Err(wrong("an IND is above 31, or a SEQ has more than 43 bits".into()));
        }
        states.insert(state.imsi, state);
    }
    Ok(states)
}

/// Writes the states to `file` so that a crash leaves either the old ones or the new ones: into a file beside
/// it, to the disk, then renamed over it. Other USIMs in the file stay as they are, also those that another process saves
/// meanwhile: its folder is locked as long as this takes. The file keeps its permissions.
///
/// # Errors
/// If that cannot be done, or a line of the file is no state; the old file is then as it was.
pub fn save<'a>(file: &Path, usims: impl IntoIterator<Item = (Imsi, &'a Usim)>) -> Result<(), StateError> {
    let failed = |why| StateError::Io { file: file.display().to_string(), why };
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // Whoever reads what is there before another has written it would take back the numbers that the other has
    // accepted (TS 33.102 annex C.2.2).
    let folder = File::open(folder).map_err(failed)?;
    folder.lock().map_err(failed)?;
    let mut states = load(file)?;
    states.extend(usims.into_iter().map(|(imsi, usim)| (imsi, UsimState::of(imsi, usim))));
    let write = || -> io::Result<()> {
        let mut beside = file.as_os_str().to_owned();
        beside.push(format!(".{}.new", std::process::id()));
        let written = File::create(&beside).and_then(|out| {
            let mut out = BufWriter::new(out);
            for state in states.values() {
                serde_json::to_writer(&mut out, state)?;
                out.write_all(b"\n")?;
            }
            let out = out.into_inner().map_err(io::IntoInnerError::into_error)?;
            if let Ok(before) = fs::metadata(file) {
                out.set_permissions(before.permissions())?;
            }
            out.sync_all()?;
            fs::rename(&beside, file)?;
            // The new name too has to be on the disk.
            folder.sync_all()
        });
        if written.is_err() {
            // The error that matters is the first one; what is left beside is only clutter.
            let _ = fs::remove_file(&beside);
        }
        written
    };
    write().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usim::{NotFresh, Sqn};
    use schemas::secret::Key128;

    #[test]
    fn a_device_keeps_its_array_when_switched_off() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("usim.json");
        assert!(load(&file).unwrap().is_empty());

        let key = Key128::new([7; 16]);
        let mut usim = Usim::new(&key, &key);
        usim.sqn.accept(Sqn::new(41, 3)).unwrap();
        usim.sqn.accept(Sqn::new(40, 31)).unwrap();
        let imsi: Imsi = "001010000000001".parse().unwrap();
        save(&file, [(imsi, &usim)]).unwrap();

        let again = load(&file).unwrap().remove(&imsi).unwrap();
        let mut again = Usim::new(&key, &key).with_state(&again);
        assert_eq!(again.sqn(), usim.sqn());
        assert_eq!(again.sqn.accept(Sqn::new(41, 3)), Err(NotFresh::Used));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside the file");
    }

    #[test]
    fn others_in_the_file_stay_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("usim.json");
        let key = Key128::new([7; 16]);
        let (mut one, mut other) = (Usim::new(&key, &key), Usim::new(&key, &key));
        let imsis: [Imsi; 2] = ["001010000000001", "001010000000002"].map(|imsi| imsi.parse().unwrap());
        one.sqn.accept(Sqn::new(41, 3)).unwrap();
        other.sqn.accept(Sqn::new(7, 0)).unwrap();
        save(&file, [(imsis[0], &one), (imsis[1], &other)]).unwrap();
        one.sqn.accept(Sqn::new(42, 3)).unwrap();
        save(&file, [(imsis[0], &one)]).unwrap();
        let states = load(&file).unwrap();
        assert_eq!(states[&imsis[0]], UsimState::of(imsis[0], &one));
        assert_eq!(states[&imsis[1]], UsimState::of(imsis[1], &other));
    }

    /// Two UEs with a file in common, as two processes have it: none takes back what the other has accepted.
    #[test]
    fn whoever_saves_at_the_same_time_takes_nothing_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("usim.json");
        let key = Key128::new([7; 16]);
        let save_all = |imsi: Imsi| {
            let mut usim = Usim::new(&key, &key);
            for seq in 1..=30 {
                usim.sqn.accept(Sqn::new(seq, 3)).unwrap();
                save(&file, [(imsi, &usim)]).unwrap();
                let kept = load(&file).unwrap();
                assert_eq!(kept[&imsi], UsimState::of(imsi, &usim), "{imsi}, {seq}");
            }
        };
        std::thread::scope(|scope| {
            for number in 1..=4 {
                let imsi = format!("00101000000000{number}").parse().unwrap();
                let save_all = &save_all;
                scope.spawn(move || save_all(imsi));
            }
        });
        assert_eq!(load(&file).unwrap().len(), 4);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_not_read_stays_so() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("usim.json");
        let key = Key128::new([7; 16]);
        let imsi: Imsi = "001010000000001".parse().unwrap();
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        save(&file, [(imsi, &Usim::new(&key, &key))]).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    /// TS 31.102 §4.2.16, TS 23.122 §3.1: four networks, and the oldest goes.
    #[test]
    fn forbidden_networks_are_remembered_the_oldest_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("usim.json");
        let key = Key128::new([7; 16]);
        let imsi: Imsi = "001010000000001".parse().unwrap();
        let networks = ["999-01", "999-02", "999-03", "999-04", "999-05"].map(|plmn| plmn.parse().unwrap());
        let mut usim = Usim::new(&key, &key);
        for plmn in networks {
            usim.forbid(plmn);
        }
        usim.forbid(networks[2]);
        save(&file, [(imsi, &usim)]).unwrap();
        let again = Usim::new(&key, &key).with_state(&load(&file).unwrap()[&imsi]);
        assert_eq!(again.forbidden_plmns(), [networks[1], networks[3], networks[4], networks[2]]);
        assert!(usim.permit(networks[3]) && !usim.permit(networks[0]));
        assert_eq!(usim.forbidden_plmns(), [networks[1], networks[4], networks[2]]);
    }

    #[test]
    fn a_broken_state_says_which_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("usim.json");
        for bad in ["{", r#"{"imsi":"001010000000001","seq_ms":{"32":1}}"#] {
            fs::write(&file, format!("\n{bad}\n")).unwrap();
            let error = load(&file).unwrap_err().to_string();
            assert!(error.contains("line 2"), "{error}");
        }
    }
}
