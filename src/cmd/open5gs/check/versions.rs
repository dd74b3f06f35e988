//! Is the core new enough for what the ICF needs of it?

use super::super::finding::Findings;
use super::super::theirs::{Mark, Written};
use super::Core;

const CHECK: &str = "core";

/// The first version of Open5GS that reads `hss_map`, and `policy` with `supi_range`. Files of 2.7.0 to 2.7.2 are like those
/// of later versions, so what is good in them is said with it.
pub const SINCE: &str = "2.7.3";

impl Core {
    /// Its files, as far as they tell for which versions they are written.
    fn written(&self) -> impl Iterator<Item = (&str, &Written)> {
        let subnets = [&self.smf, &self.upf].into_iter().flatten();
        let mme = self.mme.iter().map(|file| (&*file.name, &file.content.hss_map.written));
        let pcrf = self.pcrf.iter().map(|file| (&*file.name, &file.content.written));
        mme.chain(subnets.map(|file| (&*file.name, &file.content.written))).chain(pcrf)
    }

    /// Where it is seen that all of it is of Open5GS 2.6 or before, if it is.
    pub fn too_old(&self) -> Option<(&str, &Mark)> {
        if self.written().any(|(_, written)| written.since.is_some()) {
            return None;
        }
        self.written().find_map(|(name, written)| Some((name, written.before.as_ref()?)))
    }
}

pub fn check(core: &Core, findings: &mut Findings) {
    if let Some((name, mark)) = core.too_old() {
        let found = format!(
            "the core is of Open5GS 2.6 or older ({}): hss_map, and policy with supi_range, are read since {SINCE}, session \
             since 2.7.0",
            mark.what
        );
        let remedy = format!(
            "upgrade it to {SINCE} or later; or give its whole realm to the ICF as its only HSS ([relay] sends ordinary \
             IMSIs on)"
        );
        return findings.wrong(CHECK, &format!("{name}:{}", mark.line), found, remedy);
    }
    for (name, written) in core.written() {
        let Some(before) = &written.before else { continue };
        let newer = written.since.as_ref().map(|mark| (name, mark));
        let newer = newer
            .or_else(|| core.written().find_map(|(name, written)| Some((name, written.since.as_ref()?))));
        let Some((newer, since)) = newer else { continue };
        let found = format!(
            "{} is read up to Open5GS 2.6 only, and {} ({newer}:{}) since 2.7.0 only",
            before.what, since.what, since.line
        );
        let remedy = match before.what.as_str() {
            "subnet:" => "write session: - subnet: NETWORK, gateway: ADDRESS",
            what if what.starts_with("freeDiameter") => "write address: for addr:",
            _ => "write server: - address: below it; the daemon does not start without",
        };
        findings.wrong(CHECK, &format!("{name}:{}", before.line), found, remedy);
    }
}
