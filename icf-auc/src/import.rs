//! Credentials in bulk: NDJSON, CSV, and Open5GS's subscriber documents.
//!
//! A file is taken in chunks, each stored whole or not at all. What is wrong is said with its line; a key is
//! never repeated. An import that was cut short is run again with [`OnExisting::Skip`].

mod fields;
mod open5gs;
mod reader;
mod record;

use std::collections::{HashMap, HashSet, hash_map::Entry};

use schemas::identity::Imsi;
use serde::Serialize;
use tokio::io::AsyncBufRead;

use crate::{
    model::{AuthMaterial, Credential, IssuingMode},
    store::{NewCredential, Store, StoreError},
};
use reader::Records;

/// How a file is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Seen from its beginning.
    #[default]
    Auto,
    /// One JSON object a line: `{"imsi":"999710000000001","k":"…","opc":"…","amf":"8000"}`.
    Ndjson,
    /// A header with the same names, then one record a line.
    Csv,
    /// Subscriber documents as `mongoexport` writes them, with or without `--jsonArray`, `--pretty`.
    Open5gs,
}

/// What to do with a credential that is stored already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnExisting {
    /// It is a problem.
    #[default]
    Refuse,
    /// It is passed over if it is the same, otherwise it is a problem.
    Skip,
}

/// How to import.
#[derive(Debug, Clone)]
pub struct Options {
    /// Profile of records that name none.
    pub profile: String,
    /// Issuing mode of records that name none.
    pub mode: IssuingMode,
    /// Batch that they are to belong to.
    pub batch: Option<String>,
    /// Records stored together, all or none; at least 1.
    pub chunk: usize,
    /// What to do with those that are there.
    pub on_existing: OnExisting,
    /// Problems and refused chunks that the report lists; the rest is counted only.
    pub list: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            profile: "default".to_owned(),
            mode: IssuingMode::Supplier,
            batch: None,
            chunk: 1000,
            on_existing: OnExisting::Refuse,
            list: 100,
        }
    }
}

/// How far it has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Octets of the file read.
    pub octets: u64,
    /// Records read.
    pub records: u64,
    /// Credentials stored.
    pub stored: u64,
}

/// What is wrong with a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where it begins, from 1.
    pub line: u64,
    /// Whose, if it could be read.
    pub imsi: Option<Imsi>,
    /// What is wrong; holds no key.
    pub reason: String,
}

/// Records that were not stored since one of them has a problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusedChunk {
    /// Line of its first record.
    pub first_line: u64,
    /// Line of its last record.
    pub last_line: u64,
    /// How many records.
    pub records: u64,
}

/// What became of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Format that was read.
    pub format: Format,
    /// Records in the file.
    pub records: u64,
    /// Credentials stored.
    pub stored: u64,
    /// Passed over, since they are there already.
    pub skipped: u64,
    /// Not stored, since they or others of their chunk have a problem.
    pub refused: u64,
    /// Chunks stored.
    pub chunks_stored: u64,
    /// Chunks not stored.
    pub chunks_refused: u64,
    /// Problems in all.
    pub problem_count: u64,
    /// The first problems.
    pub problems: Vec<Problem>,
    /// The first chunks not stored.
    pub refused_chunks: Vec<RefusedChunk>,
    /// What was read and has no effect here.
    pub notes: Vec<String>,
    /// Why it stopped before the end of the file.
    pub failed: Option<String>,
}

impl Report {
    /// Whether all of the file is stored now.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.problem_count == 0 && self.failed.is_none()
    }
}

/// Imports what `reader` gives. Whatever happens, the report says what is stored.
pub async fn run<R>(
    reader: R,
    format: Format,
    options: &Options,
    store: &dyn Store,
    mut progress: impl FnMut(Progress) + Send,
) -> Report
where
    R: AsyncBufRead + Unpin + Send,
{
    let mut import = Import {
        options,
        store,
        profiles: HashSet::new(),
        seen: HashMap::new(),
        ignored: 0,
        report: Report::default(),
    };
    if let Err(error) = import.all(reader, format, &mut progress).await {
        import.report.failed = Some(error);
    }
    if import.ignored > 0 {
        import.report.notes.push(format!(
            "slice, ambr, APN and roaming state of {} documents are not taken over: the profile decides",
            import.ignored
        ));
    }
    import.report
}

/// A record that is right by itself.
struct Parsed {
    line: u64,
    new: NewCredential,
}

/// Records that are to be stored together.
#[derive(Default)]
struct Chunk {
    records: u64,
    first_line: u64,
    last_line: u64,
    good: Vec<Parsed>,
    problems: Vec<Problem>,
}

struct Import<'a> {
    options: &'a Options,
    store: &'a dyn Store,
    profiles: HashSet<String>,
    /// Every IMSI of the file with its line.
    seen: HashMap<Imsi, u64>,
    ignored: u64,
    report: Report,
}

impl Import<'_> {
    /// The error ends the import.
    async fn all<R: AsyncBufRead + Unpin + Send>(
        &mut self,
        reader: R,
        format: Format,
        progress: &mut (impl FnMut(Progress) + Send),
    ) -> Result<(), String> {
        let profiles = self.store.profiles().await.map_err(|e| e.to_string())?;
        self.profiles = profiles.into_iter().map(|p| p.name).collect();
        let mut records = Records::new(reader, format).await?;
        self.report.format = records.format();
        let size = u64::try_from(self.options.chunk.max(1)).unwrap_or(u64::MAX);
        let mut chunk = Chunk::default();
        loop {
            let more = records.next().await?;
            if let Some(record) = &more {
                self.take(&mut chunk, record.line, record.parse(self.options));
            }
            if chunk.records >= size || (more.is_none() && chunk.records > 0) {
                self.store(std::mem::take(&mut chunk)).await?;
                let Report { records: read, stored, .. } = self.report;
                progress(Progress { octets: records.octets(), records: read, stored });
            }
            if more.is_none() {
                return Ok(());
            }
        }
    }

    fn take(&mut self, chunk: &mut Chunk, line: u64, parsed: Result<record::Read, record::Wrong>) {
        self.report.records += 1;
        chunk.records += 1;
        if chunk.first_line == 0 {
            chunk.first_line = line;
        }
        chunk.last_line = line;
        let imsi = match &parsed {
            Ok(read) => Some(read.new.credential.imsi),
            Err(wrong) => wrong.imsi,
        };
        let mut wrong = |reason: String| chunk.problems.push(Problem { line, imsi, reason });
        if let Some(imsi) = imsi {
            match self.seen.entry(imsi) {
                Entry::Occupied(first) => wrong(format!("imsi: is on line {} already", first.get())),
                Entry::Vacant(place) => {
                    place.insert(line);
                }
            }
        }
        match parsed {
            Err(error) => wrong(error.reason),
            Ok(read) => {
                let profile = &read.new.credential.profile;
                if !self.profiles.contains(profile) {
                    wrong(format!("profile: {} does not exist; create it first", record::shown(profile)));
                }
                self.ignored += u64::from(read.ignored);
                chunk.good.push(Parsed { line, new: read.new });
            }
        }
    }

    /// The error ends the import.
    async fn store(&mut self, mut chunk: Chunk) -> Result<(), String> {
        let skip = self.check_existing(&mut chunk).await.map_err(|e| e.to_string())?;
        if chunk.problems.is_empty() {
            chunk.good.retain(|one| !skip.contains(&one.new.credential.imsi));
            let stored = chunk.good.len() as u64;
            let new = chunk.good.drain(..).map(|one| one.new).collect();
            match self.store.insert(new).await {
                Ok(()) => {
                    self.report.stored += stored;
                    self.report.skipped += skip.len() as u64;
                    self.report.chunks_stored += 1;
                    return Ok(());
                }
                // An address that somebody has, or an IMSI that somebody else has just stored.
                Err(error @ (StoreError::Conflict(_) | StoreError::NotFound(_))) => {
                    chunk.problems.push(Problem {
                        line: chunk.first_line,
                        imsi: None,
                        reason: error.to_string(),
                    });
                }
                Err(error) => {
                    self.refuse(&chunk);
                    return Err(format!("lines {} to {}: {error}", chunk.first_line, chunk.last_line));
                }
            }
        }
        self.refuse(&chunk);
        let room = self.options.list.saturating_sub(self.report.problems.len());
        self.report.problem_count += chunk.problems.len() as u64;
        self.report.problems.extend(chunk.problems.into_iter().take(room));
        Ok(())
    }

    fn refuse(&mut self, chunk: &Chunk) {
        self.report.refused += chunk.records;
        self.report.chunks_refused += 1;
        if self.report.refused_chunks.len() < self.options.list {
            self.report.refused_chunks.push(RefusedChunk {
                first_line: chunk.first_line,
                last_line: chunk.last_line,
                records: chunk.records,
            });
        }
    }

    /// Which of them are to be passed over; those that are there and must not be become problems.
    async fn check_existing(&self, chunk: &mut Chunk) -> Result<HashSet<Imsi>, StoreError> {
        let imsis: Vec<Imsi> = chunk.good.iter().map(|one| one.new.credential.imsi).collect();
        let there: HashSet<Imsi> = self.store.existing(&imsis).await?.into_iter().collect();
        if there.is_empty() {
            return Ok(there);
        }
        let mut same = HashSet::new();
        if self.options.on_existing == OnExisting::Skip {
            let there: Vec<Imsi> = there.iter().copied().collect();
            let stored = self.store.each_snapshot(&there).await?;
            // One that cannot be read is not the same.
            let stored: HashMap<Imsi, _> =
                stored.iter().flatten().map(|s| (s.credential.imsi, &s.credential)).collect();
            for one in &chunk.good {
                let new = &one.new.credential;
                if stored.get(&new.imsi).is_some_and(|old| is_same(old, new)) {
                    same.insert(new.imsi);
                }
            }
        }
        for one in &chunk.good {
            let imsi = one.new.credential.imsi;
            if there.contains(&imsi) && !same.contains(&imsi) {
                let reason = match self.options.on_existing {
                    OnExisting::Refuse => "imsi: is stored already; delete it first, or skip what is stored",
                    OnExisting::Skip => {
                        "imsi: is stored already, with other keys or another AMF, profile or ind_bitlen"
                    }
                };
                chunk.problems.push(Problem { line: one.line, imsi: Some(imsi), reason: reason.to_owned() });
            }
        }
        Ok(same)
    }
}

/// Whether a device could not tell one from the other.
fn is_same(old: &Credential, new: &Credential) -> bool {
    matches!((&old.auth, &new.auth), (AuthMaterial::Keys { .. }, AuthMaterial::Keys { .. }))
        && old.auth == new.auth
        && old.amf == new.amf
        && old.ind_bitlen == new.ind_bitlen
        && old.profile == new.profile
}
