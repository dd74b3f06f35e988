//! Credentials in bulk: NDJSON, CSV, and what other HSSs export (docs/ICF.md has the table).
//!
//! Each record is stored or refused by itself; what is wrong is said with its line, and a key is never repeated. An
//! import that was cut short, or of which records were put right, is run again with [`OnExisting::Skip`].

mod detect;
mod documents;
mod fields;
mod names;
mod numbers;
mod reader;
mod record;
mod report;
mod source;
mod subscription;
mod table;
mod wrong;

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    net::IpAddr,
};

use schemas::identity::Imsi;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncBufRead;
use utoipa::ToSchema;

use crate::{
    model::{AuthMaterial, Credential, IssuingMode, Profile},
    networks::ServedNetworks,
    store::{NewCredential, Store, StoreError, pool},
};
use numbers::SqnNotation;
use reader::{Read, Record, Records};
use report::Notes;
pub use report::{Problem, Report};

/// How a file is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Seen from its first line; of JSON from each object.
    #[default]
    Auto,
    /// JSON objects, one a line or in an array: `{"imsi":"999710000000001","k":"…","opc":"…","amf":"8000"}`.
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

/// What decides on a subscription where a file says something of it, as Open5GS's documents do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SubscriptionFrom {
    /// The file: what it says becomes overrides of the credential.
    #[default]
    File,
    /// The profile: what the file says is counted only.
    Profile,
}

/// How to import.
#[derive(Debug, Clone)]
pub struct Options {
    /// Profile of records that name none.
    pub profile: String,
    /// Issuing mode of records that name none.
    pub mode: IssuingMode,
    /// What decides on the subscription.
    pub subscription: SubscriptionFrom,
    /// Batch that they are to belong to.
    pub batch: Option<String>,
    /// Records stored in one transaction; at least 1.
    pub chunk: usize,
    /// What to do with those that are there.
    pub on_existing: OnExisting,
    /// Networks that credentials may be of.
    pub networks: ServedNetworks,
    /// Take addresses outside the profile's pool.
    pub allow_other_addresses: bool,
    /// Check everything and store nothing.
    pub dry_run: bool,
    /// Problems that the report lists; the rest is counted only.
    pub list: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            profile: "default".to_owned(),
            mode: IssuingMode::Supplier,
            subscription: SubscriptionFrom::default(),
            batch: None,
            chunk: 1000,
            on_existing: OnExisting::Refuse,
            networks: ServedNetworks::any(),
            allow_other_addresses: false,
            dry_run: false,
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
        profiles: HashMap::new(),
        seen: HashMap::new(),
        addresses: HashMap::new(),
        addresses_of_apns: HashMap::new(),
        notation: SqnNotation::default(),
        notes: Notes::default(),
        report: Report { dry_run: options.dry_run, ..Report::default() },
    };
    if let Err(error) = import.all(reader, format, &mut progress).await {
        import.report.failed = Some(error);
    }
    import.report
}

/// A record that is right by itself.
#[derive(Clone)]
struct Parsed {
    line: u64,
    new: NewCredential,
}

/// Records that are to be stored together.
#[derive(Default)]
struct Chunk {
    records: usize,
    first_line: u64,
    last_line: u64,
    good: Vec<Parsed>,
    problems: Vec<Problem>,
    refused: u64,
}

struct Import<'a> {
    options: &'a Options,
    store: &'a dyn Store,
    profiles: HashMap<String, Profile>,
    /// Every credential of the file with its line.
    seen: HashMap<Imsi, u64>,
    addresses: HashMap<IpAddr, u64>,
    /// Static addresses by APN.
    addresses_of_apns: HashMap<(String, IpAddr), u64>,
    notation: SqnNotation,
    notes: Notes,
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
        self.profiles = profiles.into_iter().map(|p| (p.name.clone(), p)).collect();
        let mut records = Records::new(reader, format).await?;
        self.report.format = records.format();
        let ended = self.records(&mut records, progress).await;
        self.report.notes = self.notes.sentences(records.messages, records.comments);
        ended
    }

    async fn records<R: AsyncBufRead + Unpin + Send>(
        &mut self,
        records: &mut Records<R>,
        progress: &mut (impl FnMut(Progress) + Send),
    ) -> Result<(), String> {
        let mut chunk = Chunk::default();
        loop {
            let more = records.next().await;
            if let Ok(Some(record)) = &more {
                self.take(&mut chunk, record);
            }
            let end = !matches!(more, Ok(Some(_)));
            if chunk.records >= self.options.chunk.max(1) || (end && chunk.records > 0) {
                self.store(std::mem::take(&mut chunk)).await?;
                let Report { records: read, stored, .. } = self.report;
                progress(Progress { octets: records.octets(), records: read, stored });
            }
            if end {
                return more.map(|_| ());
            }
        }
    }

    fn take(&mut self, chunk: &mut Chunk, record: &Record) {
        let line = record.line;
        self.report.records += 1;
        chunk.records += 1;
        if chunk.first_line == 0 {
            chunk.first_line = line;
        }
        chunk.last_line = line;
        let read = match record.parse(self.options, &mut self.notation) {
            Ok(Read::Credential(read)) => read,
            Ok(Read::Fragment) => {
                self.report.passed_over += 1;
                self.notes.fragment(line);
                return;
            }
            Err(wrong) => {
                chunk.refused += 1;
                chunk.problems.push(Problem {
                    line,
                    column: wrong.field.and_then(|field| record.column(field)),
                    field: wrong.field.map(names::Field::name),
                    imsi: wrong.imsi,
                    reason: wrong.reason,
                });
                return;
            }
        };
        if self.report.records == 1 && read.of_open5gs && self.report.format == Format::Ndjson {
            self.report.format = Format::Open5gs;
        }
        let before = chunk.problems.len();
        for (field, reason) in self.conflicts(&read.new.credential, line) {
            chunk.problems.push(Problem {
                line,
                column: record.column(field),
                field: Some(field.name()),
                imsi: Some(read.new.credential.imsi),
                reason,
            });
        }
        if chunk.problems.len() > before {
            chunk.refused += 1;
            return;
        }
        self.notes.credential(&read);
        chunk.good.push(Parsed { line, new: read.new });
    }

    /// What does not go with other records, the profiles, or the networks that are served here.
    fn conflicts(&mut self, new: &Credential, line: u64) -> Vec<(names::Field, String)> {
        use names::Field;
        let mut wrong = Vec::new();
        if let Some(reason) = self.options.networks.refusal(new.imsi) {
            wrong.push((Field::Imsi, format!("imsi: {reason}")));
        }
        match self.profiles.get(&new.profile) {
            None => {
                let reason =
                    format!("profile: {} does not exist; create it first", wrong::shown(&new.profile));
                wrong.push((Field::Profile, reason));
            }
            Some(profile) => {
                let outside = new.address.filter(|_| !self.options.allow_other_addresses);
                if let Some(reason) = outside.and_then(|address| pool::refusal(profile, address)) {
                    wrong.push((Field::Ip, format!("ip: {reason}")));
                }
                if !new.overrides.is_empty() {
                    wrong.extend(new.overrides.merged(profile).err().into_iter().flatten().map(|field| {
                        let reason = format!(
                            "profile: {} does not go with the subscription of this line: {} {}",
                            wrong::shown(&new.profile),
                            field.pointer.trim_start_matches('/'),
                            field.detail
                        );
                        (Field::Profile, reason)
                    }));
                }
            }
        }
        match self.seen.entry(new.imsi) {
            Entry::Occupied(first) => {
                wrong.push((Field::Imsi, format!("imsi: is on line {} already", first.get())));
            }
            Entry::Vacant(place) => {
                place.insert(line);
            }
        }
        if let Some(address) = new.address {
            match self.addresses.entry(address) {
                Entry::Occupied(first) => {
                    wrong.push((Field::Ip, format!("ip: {address} is on line {} already", first.get())));
                }
                Entry::Vacant(place) => {
                    place.insert(line);
                }
            }
        }
        for (apn, addresses) in new.overrides.addresses() {
            for address in addresses {
                match self.addresses_of_apns.entry((apn.clone(), address.0)) {
                    Entry::Occupied(first) => {
                        let reason = format!("ue: {address} of APN {apn} is on line {} already", first.get());
                        wrong.push((Field::Slice, reason));
                    }
                    Entry::Vacant(place) => {
                        place.insert(line);
                    }
                }
            }
        }
        wrong
    }

    /// The error ends the import.
    async fn store(&mut self, mut chunk: Chunk) -> Result<(), String> {
        let ended = self.store_good(&mut chunk).await;
        self.report.refused += chunk.refused;
        chunk.problems.sort_by_key(|problem| problem.line);
        let room = self.options.list.saturating_sub(self.report.problems.len());
        self.report.problem_count += chunk.problems.len() as u64;
        self.report.problems.extend(chunk.problems.into_iter().take(room));
        ended.map_err(|error| format!("lines {} to {}: {error}", chunk.first_line, chunk.last_line))
    }

    async fn store_good(&mut self, chunk: &mut Chunk) -> Result<(), StoreError> {
        let mut good = std::mem::take(&mut chunk.good);
        let there = match self.check_existing(&good).await {
            Ok(there) => there,
            Err(error) => {
                chunk.refused += good.len() as u64;
                return Err(error);
            }
        };
        good.retain(|one| match there.get(&one.new.credential.imsi) {
            None => true,
            Some(None) => {
                self.report.skipped += 1;
                false
            }
            Some(Some(reason)) => {
                chunk.refuse(one, "imsi", format!("imsi: {reason}"));
                false
            }
        });
        if self.options.dry_run {
            self.report.stored += good.len() as u64;
            return Ok(());
        }
        // All of them at once; if the store refuses, halves of them, until those are found that it refuses.
        let mut parts = vec![good];
        while let Some(mut part) = parts.pop() {
            match self.store.insert(part.iter().map(|one| one.new.clone()).collect()).await {
                Ok(()) => self.report.stored += part.len() as u64,
                // An address that somebody has, or an IMSI that somebody else has just stored.
                Err(error @ (StoreError::Conflict(_) | StoreError::NotFound(_))) => match &*part {
                    [one] => chunk.refuse(one, "imsi", error.to_string()),
                    _ => {
                        let rest = part.split_off(part.len() / 2);
                        parts.extend([rest, part]);
                    }
                },
                Err(error) => {
                    parts.push(part);
                    chunk.refused += parts.iter().map(Vec::len).sum::<usize>() as u64;
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Those that are there: `None` for one that is to be passed over, else why it is refused.
    async fn check_existing(
        &self,
        good: &[Parsed],
    ) -> Result<HashMap<Imsi, Option<&'static str>>, StoreError> {
        let imsis: Vec<Imsi> = good.iter().map(|one| one.new.credential.imsi).collect();
        let there: HashSet<Imsi> = self.store.existing(&imsis).await?.into_iter().collect();
        if there.is_empty() || self.options.on_existing == OnExisting::Refuse {
            let reason = Some("is stored already; delete it first, or skip what is stored");
            return Ok(there.into_iter().map(|imsi| (imsi, reason)).collect());
        }
        let imsis: Vec<Imsi> = there.iter().copied().collect();
        let stored = self.store.each_snapshot(&imsis).await?;
        // One that cannot be read is not the same.
        let stored: HashMap<Imsi, _> =
            stored.iter().flatten().map(|s| (s.credential.imsi, &s.credential)).collect();
        let differs = |new: &Credential| match stored.get(&new.imsi) {
            Some(old) if is_same(old, new) => None,
            _ => Some(
                "is stored already, with other keys, or another AMF, profile, subscription, ind_bitlen or call-home triple",
            ),
        };
        let there = good.iter().map(|one| &one.new.credential).filter(|new| there.contains(&new.imsi));
        Ok(there.map(|new| (new.imsi, differs(new))).collect())
    }
}

impl Chunk {
    fn refuse(&mut self, one: &Parsed, field: &'static str, reason: String) {
        self.refused += 1;
        let imsi = Some(one.new.credential.imsi);
        self.problems.push(Problem { line: one.line, column: None, field: Some(field), imsi, reason });
    }
}

/// Whether a device could not tell one from the other.
fn is_same(old: &Credential, new: &Credential) -> bool {
    matches!((&old.auth, &new.auth), (AuthMaterial::Keys { .. }, AuthMaterial::Keys { .. }))
        && old.auth == new.auth
        && old.amf == new.amf
        && old.ind_bitlen == new.ind_bitlen
        && old.profile == new.profile
        && (new.overrides.is_empty() || old.overrides == new.overrides)
        && (new.triple.is_none() || old.triple == new.triple)
}
