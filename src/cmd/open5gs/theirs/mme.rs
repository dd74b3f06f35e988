//! `mme.yaml`, and of `hss.yaml` where its freeDiameter is.

use schemas::identity::Imsi;

use super::super::fault::Fault;
use super::super::free_diameter::{self, FreeDiameter};
use super::super::yaml::{self, Node};
use super::generation::Written;
use super::{Listed, no_section};

/// An entry of `hss_map` (mme-context.c).
#[derive(Debug, Clone)]
pub struct HssMap {
    /// Its line.
    pub line: usize,
    /// The digits that an IMSI has to begin with; `None`: mcc or mnc is missing, and the entry does not count.
    pub digits: Option<String>,
    /// As it is written.
    pub written: String,
    /// Destination-Realm; `None`: made from the PLMN.
    pub realm: Option<String>,
    /// Destination-Host; `None`: left to the realm.
    pub host: Option<String>,
    /// Keys beside `plmn_id`, where they mean nothing.
    pub outside: Vec<String>,
}

impl HssMap {
    /// Whether the MME takes this entry for an IMSI.
    pub fn matches(&self, imsi: Imsi) -> bool {
        self.digits.as_deref().is_some_and(|digits| imsi.has_prefix(digits))
    }
}

/// Where the file of a daemon says that freeDiameter's configuration is.
#[derive(Debug, Clone, Default)]
pub enum FreeDiameterTold {
    /// Nowhere.
    #[default]
    Nothing,
    /// In this section of the same file.
    Here(Box<FreeDiameter>),
    /// In a file of this name.
    In(String),
}

impl FreeDiameterTold {
    fn of<'a>(sections: impl Iterator<Item = &'a Node>) -> Self {
        match sections.filter_map(|section| section.get("freeDiameter")).last() {
            None => Self::Nothing,
            Some(node) => node.text().map_or_else(
                || Self::Here(Box::new(free_diameter::section(node))),
                |path| Self::In(path.to_owned()),
            ),
        }
    }
}

/// Reads a `hss.yaml`: where its freeDiameter is.
///
/// # Errors
/// Line, and what is wrong there.
pub fn hss(text: &[u8]) -> Result<FreeDiameterTold, Fault> {
    let root = yaml::root(text)?;
    root.get("hss").ok_or_else(|| no_section(&root, "hss", "freeDiameter"))?;
    Ok(FreeDiameterTold::of(root.all("hss")))
}

/// What `mme.yaml` says.
#[derive(Debug, Clone, Default)]
pub struct Mme {
    /// Its entries, first match first.
    pub hss_map: Listed<HssMap>,
    /// Its freeDiameter.
    pub free_diameter: FreeDiameterTold,
    /// Where Prometheus asks it.
    pub metrics: Option<String>,
}

/// Reads a `mme.yaml`.
///
/// # Errors
/// Line, and what is wrong there.
pub fn mme(text: &[u8]) -> Result<Mme, Fault> {
    let root = yaml::root(text)?;
    let mut hss_map = Listed::of_all(&root, "mme", "hss_map", |entry| Ok(hss_map(entry)))?;
    hss_map.written = Written::of(&root, "mme");
    // Of several sections, metrics are those of the first (lib/metrics/context.c).
    let metrics = root.all("mme").next().and_then(|mme| mme.at(&["metrics", "server"]));
    let metrics = metrics.and_then(|server| server.each().first());
    Ok(Mme {
        hss_map,
        free_diameter: FreeDiameterTold::of(root.all("mme")),
        metrics: metrics.and_then(|one| {
            let address = one.text_of("address")?;
            let address = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
            Some(format!("http://{address}:{}/metrics", one.text_of("port").unwrap_or("9090")))
        }),
    })
}

/// An entry is one for each plmn_id in it.
fn hss_map(entry: &Node) -> Vec<HssMap> {
    let outside: Vec<String> =
        entry.pairs().iter().map(|(key, _)| key.clone()).filter(|key| key != "plmn_id").collect();
    let one = |plmn: Option<&Node>| {
        let text = |key: &str| plmn.and_then(|plmn| plmn.text_of(key)).map(str::to_owned);
        let (mcc, mnc) = (text("mcc"), text("mnc"));
        HssMap {
            line: plmn.map_or(entry.line, |plmn| plmn.key),
            digits: mcc.as_deref().zip(mnc.as_deref()).and_then(|(mcc, mnc)| prefix(mcc, mnc)),
            written: format!("{}-{}", mcc.unwrap_or_default(), mnc.unwrap_or_default()),
            realm: text("realm"),
            host: text("host"),
            outside: outside.clone(),
        }
    };
    let mut all: Vec<HssMap> = entry.all("plmn_id").map(|plmn| one(Some(plmn))).collect();
    if all.is_empty() {
        all.push(one(None));
    }
    all
}

/// What IMSIs of a PLMN begin with, as Open5GS takes it: two digits of MNC if it is written with two, else three
/// (ogs_plmn_id_build).
pub fn prefix(mcc: &str, mnc: &str) -> Option<String> {
    let (m, n) = (mcc.trim().parse::<u16>().ok()?, mnc.trim().parse::<u16>().ok()?);
    Some(if mnc.len() == 2 { format!("{m:03}{n:02}") } else { format!("{m:03}{n:03}") })
}
