//! Offsets (DIF, TS 33.102 §C.1.1.3) that resynchronisations have moved: a file beside the high-water mark, so that a
//! database that was put back to a state before such a move learns of it.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{ErrorKind, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use schemas::identity::Imsi;

use crate::store::StoreError;

const HEADER: &str = "callhome sequence offsets 1\n";
/// So many superseded lines may be in the file before it is written anew.
const SUPERSEDED: usize = 1000;

/// Where it is. A line for each move, IMSI and offset in ticks; of an IMSI the highest offset counts.
#[derive(Debug, Clone)]
pub(super) struct OffsetsFile(PathBuf);

impl OffsetsFile {
    /// The one that belongs to the high-water mark `mark`.
    pub(super) fn of_mark(mark: &Path) -> Self {
        let mut name = mark.to_owned().into_os_string();
        name.push(".offsets");
        Self(name.into())
    }

    /// The highest offset of each IMSI that was ever moved. Writes the file anew where most of it is superseded.
    ///
    /// # Errors
    /// The file cannot be read or is damaged. A last line that was cut short is no damage: what it is of was never
    /// committed.
    pub(super) fn read(&self) -> Result<HashMap<Imsi, i64>, StoreError> {
        let text = match std::fs::read_to_string(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(HashMap::new()),
            Err(error) => return Err(self.failed("cannot be read", &error)),
        };
        let (offsets, lines) = parse(&text).map_err(|line| {
            let remedy = "put a good copy of it in its place; without one, remove it and run `callhome credentials \
                          raise-sqn`";
            self.failed("is damaged", &format_args!("line {line} is not an IMSI and an offset; {remedy}"))
        })?;
        if lines > 2 * offsets.len() + SUPERSEDED {
            self.replace(&offsets).map_err(|error| self.failed("cannot be written anew", &error))?;
        }
        Ok(offsets)
    }

    /// Adds moves; when it returns, they survive a power failure.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn add(&self, moved: &[(Imsi, i64)]) -> Result<(), StoreError> {
        self.append(&lines(moved.iter().copied())).map_err(|error| {
            StoreError::Unavailable(format!(
                "sequence offsets {} cannot be written: {error}; no sequence number is handed out without them",
                self.0.display()
            ))
        })
    }

    fn append(&self, lines: &str) -> std::io::Result<()> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&self.0)?;
        let end = whole_lines(&mut file)?;
        file.set_len(end)?;
        file.seek(SeekFrom::Start(end))?;
        if end == 0 {
            file.write_all(HEADER.as_bytes())?;
        }
        file.write_all(lines.as_bytes())?;
        file.sync_all()?;
        if end == 0 { File::open(self.folder())?.sync_all() } else { Ok(()) }
    }

    fn replace(&self, offsets: &HashMap<Imsi, i64>) -> std::io::Result<()> {
        let mut name = self.0.clone().into_os_string();
        name.push(".new");
        let new = Self(name.into());
        match std::fs::remove_file(&new.0) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        new.append(&lines(offsets.iter().map(|(imsi, offset)| (*imsi, *offset))))?;
        std::fs::rename(&new.0, &self.0)?;
        File::open(self.folder())?.sync_all()
    }

    fn folder(&self) -> &Path {
        self.0.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    fn failed(&self, what: &str, why: &dyn std::fmt::Display) -> StoreError {
        StoreError::Database(format!("sequence offsets {} {what}: {why}", self.0.display()))
    }
}

/// The length of `file` up to its last line feed: a write that failed may have left a piece of a line.
fn whole_lines(file: &mut File) -> std::io::Result<u64> {
    /// More than the longest line.
    const TAIL: u64 = 128;
    let length = file.metadata()?.len();
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(TAIL);
        file.seek(SeekFrom::Start(start))?;
        let mut tail = Vec::new();
        Read::take(&mut *file, end - start).read_to_end(&mut tail)?;
        if let Some(last) = tail.iter().rposition(|octet| *octet == b'\n') {
            return Ok(start + last as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

fn lines(offsets: impl Iterator<Item = (Imsi, i64)>) -> String {
    offsets.map(|(imsi, offset)| format!("{imsi} {offset}\n")).collect()
}

/// The highest offset of each IMSI, and how many lines there are; else the number of the first wrong line.
fn parse(text: &str) -> Result<(HashMap<Imsi, i64>, usize), usize> {
    let whole = text.rfind('\n').map_or("", |last| &text[..=last]);
    let mut offsets = HashMap::new();
    let mut count = 0;
    for (at, line) in whole.split_inclusive('\n').enumerate() {
        if at == 0 {
            if line != HEADER {
                return Err(1);
            }
            continue;
        }
        let fields = line.trim_end_matches('\n').split_once(' ');
        let fields = fields.and_then(|(imsi, offset)| Some((imsi.parse().ok()?, offset.parse().ok()?)));
        let (imsi, offset): (Imsi, i64) = fields.ok_or(at + 1)?;
        let highest = offsets.entry(imsi).or_insert(offset);
        *highest = (*highest).max(offset);
        count += 1;
    }
    Ok((offsets, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imsi(n: u64) -> Imsi {
        "999710000000000".parse::<Imsi>().unwrap().checked_add(n).unwrap()
    }

    fn file(folder: &Path) -> OffsetsFile {
        OffsetsFile::of_mark(&folder.join("icf.db.mark"))
    }

    #[test]
    fn the_highest_offset_of_each_imsi_counts_and_only_the_owner_may_read_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path());
        assert!(file.read().unwrap().is_empty());
        file.add(&[(imsi(1), 7), (imsi(2), -9)]).unwrap();
        file.add(&[(imsi(1), 5)]).unwrap();
        file.add(&[(imsi(2), 1 << 42)]).unwrap();
        assert_eq!(file.read().unwrap(), HashMap::from([(imsi(1), 7), (imsi(2), 1 << 42)]));
        assert!(file.0.ends_with("icf.db.mark.offsets"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&file.0).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_line_that_was_cut_short_anywhere_is_passed_over_and_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path());
        file.add(&[(imsi(1), 1_234_567), (imsi(2), 7)]).unwrap();
        let whole = std::fs::read(&file.0).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&file.0, &whole[..length]).unwrap();
            let found = file.read().unwrap();
            assert!(
                found
                    .iter()
                    .all(|(imsi, offset)| [1_234_567, 7][usize::from(*imsi != self::imsi(1))] == *offset)
            );
            file.add(&[(imsi(3), 9)]).unwrap();
            let mut expected = found;
            expected.insert(imsi(3), 9);
            assert_eq!(file.read().unwrap(), expected, "cut after {length} octets");
        }
    }

    #[test]
    fn a_file_that_is_mostly_superseded_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path());
        let moves: Vec<_> = (0..1100).map(|offset| (imsi(1), offset)).collect();
        file.add(&moves).unwrap();
        assert_eq!(file.read().unwrap(), HashMap::from([(imsi(1), 1099)]));
        assert_eq!(std::fs::read_to_string(&file.0).unwrap(), format!("{HEADER}{} 1099\n", imsi(1)));
    }

    #[test]
    fn a_damaged_file_and_one_that_cannot_be_written_say_which_file_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path());
        for (text, line) in [("something else\n", 1), (&format!("{HEADER}999710000000001 5\n9997x 7\n"), 3)] {
            std::fs::write(&file.0, text).unwrap();
            let error = file.read().unwrap_err().to_string();
            assert!(
                error.contains("icf.db.mark.offsets") && error.contains(&format!("line {line} ")),
                "{error}"
            );
            assert!(error.contains("raise-sqn"), "{error}");
        }
        let nowhere = OffsetsFile::of_mark(&folder.path().join("no/icf.mark"));
        let error = nowhere.add(&[(imsi(1), 5)]).unwrap_err().to_string();
        assert!(
            error.contains("icf.mark.offsets") && error.contains("no sequence number is handed out"),
            "{error}"
        );
    }
}
