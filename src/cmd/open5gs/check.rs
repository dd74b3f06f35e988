//! `callhome open5gs check`: does what the core is told agree with what the ICF is and gives out?

mod assigned;
mod bearer;
#[cfg(test)]
mod broken;
mod metrics;
mod peering;
mod relay;
mod routing;

use std::path::{Path, PathBuf};

use schemas::identity::Imsi;

use super::super::client::Failure;
use super::finding::{Findings, Verdict};
use super::free_diameter::{self, FreeDiameter};
use super::ours::Ours;
use super::theirs::{self, File, FreeDiameterTold, Mme, Policies, Subnets};

/// Where the core's files are.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Where {
    /// Folder of mme.yaml, smf.yaml, upf.yaml and pcrf.yaml, as /etc/open5gs; a file named for itself goes before.
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
    /// The MME's file.
    #[arg(long, value_name = "FILE")]
    pub mme_yaml: Option<PathBuf>,
    /// freeDiameter's file of the MME; without, the one that mme.yaml names.
    #[arg(long, value_name = "FILE")]
    pub mme_conf: Option<PathBuf>,
    /// The HSS's file, where the ICF relays to it.
    #[arg(long, value_name = "FILE")]
    pub hss_yaml: Option<PathBuf>,
    /// freeDiameter's file of the HSS; without, the one that hss.yaml names.
    #[arg(long, value_name = "FILE")]
    pub hss_conf: Option<PathBuf>,
    /// The SMF's file.
    #[arg(long, value_name = "FILE")]
    pub smf_yaml: Option<PathBuf>,
    /// The UPF's file.
    #[arg(long, value_name = "FILE")]
    pub upf_yaml: Option<PathBuf>,
    /// The PCRF's file.
    #[arg(long, value_name = "FILE")]
    pub pcrf_yaml: Option<PathBuf>,
    /// Ask the MME's metrics, where mme.yaml says they are.
    #[arg(long)]
    pub metrics: bool,
}

/// What was read of the core.
#[derive(Debug, Default)]
pub struct Core {
    /// `mme.yaml`.
    pub mme: Option<File<Mme>>,
    /// freeDiameter of the MME.
    pub free_diameter: Option<File<FreeDiameter>>,
    /// freeDiameter of the HSS.
    pub hss: Option<File<FreeDiameter>>,
    /// `smf.yaml`.
    pub smf: Option<File<Subnets>>,
    /// `upf.yaml`.
    pub upf: Option<File<Subnets>>,
    /// `pcrf.yaml`.
    pub pcrf: Option<File<Policies>>,
}

impl Where {
    fn path(&self, own: Option<&PathBuf>, name: &str) -> Option<PathBuf> {
        own.cloned().or_else(|| Some(self.folder.as_ref()?.join(name)))
    }

    /// Reads what there is; the HSS's is [`Self::hss`].
    ///
    /// # Errors
    /// Which file and line, and what is wrong there.
    pub fn read(&self) -> anyhow::Result<Core> {
        let read_subnets = |own: Option<&PathBuf>, role: &'static str| {
            let path = self.path(own, &format!("{role}.yaml"));
            path.map(|path| theirs::read(&path, |text| theirs::subnets(text, role))).transpose()
        };
        let mme_path = self.path(self.mme_yaml.as_ref(), "mme.yaml");
        let mme = mme_path.map(|path| theirs::read(&path, theirs::mme)).transpose()?;
        let pcrf_path = self.path(self.pcrf_yaml.as_ref(), "pcrf.yaml");
        Ok(Core {
            free_diameter: self.free_diameter(mme.as_ref())?,
            hss: None,
            mme,
            smf: read_subnets(self.smf_yaml.as_ref(), "smf")?,
            upf: read_subnets(self.upf_yaml.as_ref(), "upf")?,
            pcrf: pcrf_path.map(|path| theirs::read(&path, theirs::policies)).transpose()?,
        })
    }

    fn free_diameter(&self, mme: Option<&File<Mme>>) -> anyhow::Result<Option<File<FreeDiameter>>> {
        if let Some(path) = &self.mme_conf {
            return theirs::read(path, free_diameter::read).map(Some);
        }
        mme.map_or(Ok(None), |mme| named(&mme.name, &mme.content.free_diameter))
    }

    /// freeDiameter of the HSS, where the ICF relays to it. A core may have its HSS elsewhere, or none: only a file that is
    /// named has to be there.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn hss(&self) -> anyhow::Result<Option<File<FreeDiameter>>> {
        if let Some(path) = &self.hss_conf {
            return theirs::read(path, free_diameter::read).map(Some);
        }
        let beside =
            || self.folder.as_ref().map(|folder| folder.join("hss.yaml")).filter(|path| path.is_file());
        let Some(path) = self.hss_yaml.clone().or_else(beside) else { return Ok(None) };
        let hss = theirs::read(&path, theirs::hss)?;
        named(&hss.name, &hss.content)
    }

    /// Whether there is anything to look at.
    ///
    /// # Errors
    /// If not.
    pub fn some(&self) -> Result<(), Failure> {
        let files = [
            &self.folder,
            &self.mme_yaml,
            &self.mme_conf,
            &self.hss_yaml,
            &self.hss_conf,
            &self.smf_yaml,
            &self.upf_yaml,
            &self.pcrf_yaml,
        ];
        if files.iter().all(|file| file.is_none()) {
            let why = "say where the core's files are: --folder /etc/open5gs, or --mme-yaml and its sisters";
            return Err(Failure::Usage(why.to_owned()));
        }
        Ok(())
    }
}

/// freeDiameter's configuration as a daemon's file names it.
fn named(file: &str, told: &FreeDiameterTold) -> anyhow::Result<Option<File<FreeDiameter>>> {
    match told {
        FreeDiameterTold::Here(section) => Ok(Some(File { name: file.to_owned(), content: section.clone() })),
        // Named as the daemon's machine sees it, which may be another one.
        FreeDiameterTold::In(path) if Path::new(path).is_file() => {
            theirs::read(Path::new(path), free_diameter::read).map(Some)
        }
        FreeDiameterTold::In(_) | FreeDiameterTold::Nothing => Ok(None),
    }
}

/// Compares everything that can be without asking the core.
pub fn compare(ours: &Ours, core: &Core) -> Findings {
    let mut findings = Findings::default();
    peering::check(ours, core, &mut findings);
    routing::check(ours, core, &mut findings);
    relay::check(ours, core, &mut findings);
    bearer::check(ours, core, &mut findings);
    // Both ends of a range, and profiles that share an APN, come upon the same thing: it is said once.
    let mut seen = Vec::new();
    findings.0.retain(|one| {
        let what = if one.remedy.is_empty() { &one.found } else { &one.remedy };
        let key = (one.verdict as u8, one.check, one.place.clone(), what.clone());
        let new = !seen.contains(&key);
        if new {
            seen.push(key);
        }
        new
    });
    findings
}

/// Compares, and asks the core's metrics if that is wanted.
pub async fn run(ours: &Ours, core: &Core, ask_metrics: bool) -> Findings {
    let mut findings = compare(ours, core);
    if ask_metrics {
        metrics::check(core, &mut findings).await;
    }
    findings
}

/// What the findings come to, as a sentence; an error if something is wrong.
///
/// # Errors
/// How many things are wrong.
pub fn verdict(findings: &Findings) -> anyhow::Result<String> {
    let [wrong, doubtful, unseen] =
        [Verdict::Wrong, Verdict::Doubtful, Verdict::Unseen].map(|verdict| findings.count(verdict));
    let rest = format!("{doubtful} doubtful, {unseen} not looked at");
    if wrong > 0 {
        anyhow::bail!("{wrong} wrong, {rest}");
    }
    Ok(format!("nothing is wrong; {rest}"))
}

/// IMSIs to try, with where they are from: both ends of everything issued, or of what may be.
fn samples(ours: &Ours) -> Vec<(Imsi, &str)> {
    let spans = if ours.issued.is_empty() { std::slice::from_ref(&ours.range) } else { &ours.issued };
    let ends = spans
        .iter()
        .flat_map(|span| [span.value.first, span.value.last].map(|imsi| (imsi, span.source.as_str())));
    let mut out: Vec<(Imsi, &str)> = Vec::new();
    for (imsi, source) in ends {
        if !out.iter().any(|(known, _)| *known == imsi) {
            out.push((imsi, source));
        }
    }
    out
}

#[cfg(test)]
mod tests;
