//! `callhome open5gs check`: does what the core is told agree with what the ICF is and gives out?

mod assigned;
mod bearer;
#[cfg(test)]
mod broken;
mod files;
mod metrics;
mod peering;
mod relay;
mod routing;
mod transport;
mod versions;

use std::path::{Path, PathBuf};

use schemas::identity::Imsi;

use super::super::client::Failure;
use super::fault::Fault;
use super::finding::{Findings, Verdict};
use super::free_diameter::{self, FreeDiameter};
use super::ours::Ours;
use super::theirs::{self, File, FreeDiameterTold, Mme, Policies, Subnets, Unusable};

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
    /// Files that cannot be used, each with why.
    pub unusable: Vec<Unusable>,
}

impl Core {
    /// What to do so that a file is looked at.
    pub fn absent(&self, name: &str) -> String {
        match self.unusable.iter().any(|one| one.name == name) {
            true => "mend what is wrong with the file first".to_owned(),
            false => format!("say --{}", name.replace('.', "-")),
        }
    }

    /// Keeps a file that can be used, and remembers one that cannot.
    fn keep<T>(&mut self, read: Result<File<T>, Unusable>) -> Option<File<T>> {
        read.map_err(|unusable| self.unusable.push(unusable)).ok()
    }
}

impl Where {
    fn path(&self, own: Option<&PathBuf>, name: &str) -> Option<PathBuf> {
        own.cloned().or_else(|| Some(self.folder.as_ref()?.join(name)))
    }

    /// Reads what there is, the HSS's too if `with_hss`. A file that cannot be used is among [`Core::unusable`], and one of
    /// the folder that is not there is none of this core's.
    ///
    /// # Errors
    /// If a file that was named for itself is not there.
    pub fn read(&self, with_hss: bool) -> Result<Core, Failure> {
        let mut core = Core::default();
        core.mme = self.daemon(self.mme_yaml.as_ref(), "mme", theirs::mme, &mut core);
        core.smf = self.daemon(self.smf_yaml.as_ref(), "smf", |text| theirs::subnets(text, "smf"), &mut core);
        core.upf = self.daemon(self.upf_yaml.as_ref(), "upf", |text| theirs::subnets(text, "upf"), &mut core);
        core.pcrf = self.daemon(self.pcrf_yaml.as_ref(), "pcrf", theirs::policies, &mut core);
        core.free_diameter = match &self.mme_conf {
            Some(path) => core.keep(theirs::read(path, free_diameter::read)),
            None => {
                let told = core.mme.as_ref().map(|mme| (mme.name.clone(), mme.content.free_diameter.clone()));
                told.and_then(|(name, told)| named(&name, &told, &mut core))
            }
        };
        if with_hss {
            core.hss = self.hss(&mut core);
        }
        let named = [
            &self.mme_yaml,
            &self.mme_conf,
            &self.hss_yaml,
            &self.hss_conf,
            &self.smf_yaml,
            &self.upf_yaml,
            &self.pcrf_yaml,
        ];
        let absent = named.into_iter().flatten().find(|path| !path.exists());
        match absent {
            Some(path) => Err(Failure::Usage(format!("{} is not there: check the path", path.display()))),
            None => Ok(core),
        }
    }

    fn daemon<T>(
        &self,
        own: Option<&PathBuf>,
        daemon: &str,
        parse: impl Fn(&[u8]) -> Result<T, Fault>,
        core: &mut Core,
    ) -> Option<File<T>> {
        let path = self.path(own, &format!("{daemon}.yaml"))?;
        if own.is_none() && !path.exists() {
            return None;
        }
        core.keep(theirs::read(&path, parse))
    }

    /// freeDiameter of the HSS, where the ICF relays to it. A core may have its HSS elsewhere, or none.
    fn hss(&self, core: &mut Core) -> Option<File<FreeDiameter>> {
        if let Some(path) = &self.hss_conf {
            return core.keep(theirs::read(path, free_diameter::read));
        }
        let hss = self.daemon(self.hss_yaml.as_ref(), "hss", theirs::hss, core)?;
        named(&hss.name, &hss.content, core)
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
fn named(file: &str, told: &FreeDiameterTold, core: &mut Core) -> Option<File<FreeDiameter>> {
    match told {
        FreeDiameterTold::Here(section) => Some(File { name: file.to_owned(), content: (**section).clone() }),
        // Named as the daemon's machine sees it, which may be another one.
        FreeDiameterTold::In(path) if Path::new(path).is_file() => {
            core.keep(theirs::read(Path::new(path), free_diameter::read))
        }
        FreeDiameterTold::In(_) | FreeDiameterTold::Nothing => None,
    }
}

/// Compares everything that can be without asking the core.
pub fn compare(ours: &Ours, core: &Core) -> Findings {
    let mut findings = Findings::default();
    versions::check(core, &mut findings);
    files::check(core, &mut findings);
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
