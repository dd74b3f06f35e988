//! The high-water mark: a small file outside of the database that is never older than a number that was handed out.

use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use crate::store::StoreError;

const HEADER: &str = "callhome high-water mark 1";

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    /// Which database it is of.
    pub lineage: String,
    /// No IMSI has been given a SEQ above this tick and its offset (see [`crate::auc::clock`]).
    pub ticks: u64,
    /// So many vectors have been handed out of pools.
    pub vectors: u64,
}

/// Where it is.
#[derive(Debug, Clone)]
pub(super) struct MarkFile(PathBuf);

impl MarkFile {
    pub(super) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// The mark; `None` if there is no such file.
    pub(super) fn read(&self) -> Result<Option<Mark>, StoreError> {
        let text = match std::fs::read_to_string(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed("cannot be read", &error)),
        };
        let mark = parse(&text).ok_or_else(|| {
            self.failed(
                "is damaged",
                &"if there is no good copy of it, remove it: all sequence numbers are raised then, as after a restore",
            )
        })?;
        Ok(Some(mark))
    }

    /// Replaces the mark; when it returns, the new one survives a power failure.
    pub(super) fn write(&self, mark: &Mark) -> Result<(), StoreError> {
        self.replace(mark).map_err(|error| {
            StoreError::Unavailable(format!(
                "high-water mark {} cannot be written: {error}; no sequence number is handed out without it",
                self.0.display()
            ))
        })
    }

    fn replace(&self, mark: &Mark) -> std::io::Result<()> {
        let mut name = self.0.clone().into_os_string();
        name.push(".new");
        let new = PathBuf::from(name);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&new)?;
        writeln!(file, "{HEADER}\nlineage {}\nticks {}\nvectors {}", mark.lineage, mark.ticks, mark.vectors)?;
        file.sync_all()?;
        std::fs::rename(&new, &self.0)?;
        let folder =
            self.0.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }

    fn failed(&self, what: &str, why: &dyn std::fmt::Display) -> StoreError {
        StoreError::Database(format!("high-water mark {} {what}: {why}", self.0.display()))
    }
}

fn parse(text: &str) -> Option<Mark> {
    let mut lines = text.lines();
    let mut field = |name: &str| lines.next()?.strip_prefix(name).map(str::to_owned);
    if !field(HEADER)?.is_empty() {
        return None;
    }
    Some(Mark {
        lineage: field("lineage ")?,
        ticks: field("ticks ")?.parse().ok()?,
        vectors: field("vectors ")?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_reads_back_and_only_its_owner_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = MarkFile::new(&folder.path().join("icf.db.mark"));
        assert_eq!(file.read().unwrap(), None);
        let mark = Mark { lineage: "00ff".into(), ticks: 1 << 40, vectors: 7 };
        file.write(&mark).unwrap();
        assert_eq!(file.read().unwrap(), Some(mark));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_damaged_mark_and_one_that_cannot_be_written_say_which_file_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let file = MarkFile::new(&folder.path().join("icf.db.mark"));
        for text in ["", "callhome high-water mark 1\nlineage a\nticks x\nvectors 1\n", "something else\n"] {
            std::fs::write(file.path(), text).unwrap();
            let error = file.read().unwrap_err().to_string();
            assert!(error.contains("icf.db.mark") && error.contains("remove it"), "{error}");
        }
        let nowhere = MarkFile::new(&folder.path().join("no/icf.mark"));
        let mark = Mark { lineage: "00ff".into(), ticks: 1, vectors: 0 };
        let error = nowhere.write(&mark).unwrap_err().to_string();
        assert!(error.contains("icf.mark") && error.contains("no sequence number is handed out"), "{error}");
    }
}
