//! Does the MME send provisional IMSIs to the ICF?

use schemas::identity::{Imsi, Plmn};

use super::super::finding::Findings;
use super::super::ours::{self, Ours};
use super::super::theirs::{File, HssMap, Listed, Mme};
use super::versions::SINCE;
use super::{Core, samples};

const CHECK: &str = "hss-map";

pub fn check(ours: &Ours, core: &Core, findings: &mut Findings) {
    let Some(mme) = &core.mme else {
        return findings.unseen(CHECK, "mme.yaml", core.absent("mme.yaml"));
    };
    if core.too_old().is_some() {
        return findings.unseen(CHECK, &mme.name, "this version has no hss_map: see core");
    }
    for (imsi, source) in samples(ours) {
        imsi_goes(ours, mme, imsi, source, findings);
    }
}

/// Whether an entry leads to the ICF.
pub fn ours_is(ours: &Ours, entry: &HssMap) -> bool {
    let diameter = &ours.config.diameter;
    entry.realm.as_deref().is_some_and(|realm| realm.eq_ignore_ascii_case(&diameter.origin_realm))
        && entry.host.as_deref().is_some_and(|host| host.eq_ignore_ascii_case(&diameter.origin_host))
}

fn imsi_goes(ours: &Ours, mme: &File<Mme>, imsi: Imsi, source: &str, findings: &mut Findings) {
    let maps = &mme.content.hss_map;
    let diameter = &ours.config.diameter;
    let wanted = format!("realm: {}, host: {}", diameter.origin_realm, diameter.origin_host);
    let Some(entry) = maps.iter().find(|entry| entry.matches(imsi)) else {
        return findings.wrong(
            CHECK,
            &mme.name,
            not_matched(maps, imsi, source),
            not_matched_remedy(ours, mme, imsi, &wanted),
        );
    };
    let place = mme.line(entry.line);
    if ours_is(ours, entry) {
        let network = &entry.written;
        let found = format!("{network} goes to {} (Open5GS {SINCE} or later)", diameter.origin_host);
        return findings.good(CHECK, &place, found);
    }
    if let Some(later) = maps.iter().find(|later| later.matches(imsi) && ours_is(ours, later)) {
        let found = format!("{imsi} ({source}) goes to {}: this entry matches first", target(entry));
        let remedy = format!("the first match wins: put the entry of line {} before it", later.line);
        return findings.wrong(CHECK, &place, found, remedy);
    }
    if entry.outside.iter().any(|key| key == "realm" || key == "host") {
        let found = "realm or host stands beside plmn_id, where the MME does not read it";
        let remedy = format!("move them inside plmn_id: {wanted}");
        if entry.host.is_none() && target_realm(entry).eq_ignore_ascii_case(&diameter.origin_realm) {
            let found = format!(
                "{found}: it goes to the realm {}, the ICF's all the same, and to whichever host of it is connected",
                diameter.origin_realm
            );
            return findings.doubtful(CHECK, &place, found, remedy);
        }
        return findings.wrong(CHECK, &place, format!("{found}: it goes to {}", target(entry)), remedy);
    }
    if entry.host.is_none() && target_realm(entry).eq_ignore_ascii_case(&diameter.origin_realm) {
        let found = format!("{} goes to the realm {}, to no host", entry.written, diameter.origin_realm);
        return findings.doubtful(CHECK, &place, found, format!("write host: {} too", diameter.origin_host));
    }
    let found = format!("{imsi} ({source}) goes to {}", target(entry));
    findings.wrong(CHECK, &place, found, format!("write inside plmn_id {wanted}"));
}

/// The realm that requests carry: where none is written, the one of the PLMN (TS 23.003 §19.2).
fn target_realm(entry: &HssMap) -> String {
    let of_plmn = || {
        let digits = entry.digits.as_deref().unwrap_or_default();
        let (mcc, mnc) = digits.split_at_checked(3)?;
        Some(format!("epc.mnc{mnc:0>3}.mcc{mcc}.3gppnetwork.org"))
    };
    entry.realm.clone().or_else(of_plmn).unwrap_or_default()
}

/// Where an entry leads, in words.
pub fn target(entry: &HssMap) -> String {
    let realm = target_realm(entry);
    match &entry.host {
        Some(host) => format!("{host} in {realm}"),
        None => format!("realm {realm}"),
    }
}

fn not_matched(maps: &Listed<HssMap>, imsi: Imsi, source: &str) -> String {
    let nothing = match maps.outside {
        Some(line) => format!("hss_map stands outside of mme:, line {line}, where it is not read"),
        None if maps.is_empty() => "there is no hss_map".to_owned(),
        None => return format!("no entry matches {imsi} ({source}): it goes to the MME's own realm"),
    };
    format!("{nothing}: {imsi} ({source}) goes to the MME's own realm")
}

/// The network of an IMSI, which itself does not say how many digits its MNC has: as many as that of our network, in its
/// country, and three in North America, elsewhere two (ITU-T E.212).
fn network(ours: &Ours, imsi: Imsi) -> Plmn {
    let plmn = ours.plmn.value;
    let digits = imsi.to_string();
    let (mcc, rest) = digits.split_at_checked(3).unwrap_or_default();
    let three = match mcc == plmn.mcc() {
        true => plmn.mnc().len() == 3,
        false => matches!(mcc, "302" | "334") || ("310"..="316").contains(&mcc),
    };
    let mnc = rest.get(..if three { 3 } else { 2 }).unwrap_or_default();
    if imsi.has_prefix(&ours::digits(plmn)) { plmn } else { format!("{mcc}-{mnc}").parse().unwrap_or(plmn) }
}

/// An entry of the same numbers, written with another number of digits, is the usual reason; a slip in them another.
fn not_matched_remedy(ours: &Ours, mme: &File<Mme>, imsi: Imsi, wanted: &str) -> String {
    let maps = &mme.content.hss_map;
    let plmn = network(ours, imsi);
    let put = match maps.outside {
        Some(_) => "put it into the section mme:, two spaces further in; else ",
        None => "",
    };
    let same = |entry: &&HssMap| {
        let number = |text: &str| text.parse::<u32>().ok();
        let (mcc, mnc) = entry.written.split_once('-').unwrap_or_default();
        number(mcc) == number(&plmn.mcc()) && number(mnc) == number(&plmn.mnc())
    };
    if let Some(entry) = maps.iter().find(same)
        && entry.digits.as_deref() != Some(&ours::digits(plmn))
    {
        return format!(
            "line {} has mnc {}, which Open5GS takes for three digits: write mnc: \"{}\"",
            entry.line,
            entry.written.split_once('-').unwrap_or_default().1,
            plmn.mnc()
        );
    }
    let add = format!("add plmn_id with mcc: {}, mnc: {}, {wanted}", plmn.mcc(), plmn.mnc());
    // One that leads to the ICF and has nothing to lead there.
    let idle = |entry: &&HssMap| {
        ours_is(ours, entry) && !samples(ours).into_iter().any(|(imsi, _)| entry.matches(imsi))
    };
    match maps.iter().find(idle) {
        Some(entry) => format!(
            "line {} leads to the ICF, but is for {}: write mcc: {}, mnc: {} there if it is meant for these, else {add}",
            entry.line,
            entry.written,
            plmn.mcc(),
            plmn.mnc()
        ),
        None => format!("{put}{add}"),
    }
}
