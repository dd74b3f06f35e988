//! What freeDiameter wants of a configuration that it has parsed, before it starts (config.c and extensions.c), and what
//! Open5GS's MME wants of it.

use std::path::Path;

use super::super::fault::Fault;
use super::super::finding::Verdict;
use super::condition::Condition;
use super::configuration::{FreeDiameter, NamedFile};
use super::names::is_identity;
use super::tls;

/// The extensions that Open5GS's daemons find the AVPs of S6a in, each with what it wants to be loaded before.
const DICTIONARIES: [(&str, Option<&str>); 7] = [
    ("dict_rfc5777", None),
    ("dict_mip6i", Some("dict_rfc5777")),
    ("dict_mip6a", Some("dict_rfc5777")),
    ("dict_nasreq", None),
    ("dict_eap", Some("dict_nasreq")),
    ("dict_dcca", Some("dict_nasreq")),
    ("dict_dcca_3gpp", Some("dict_dcca")),
];
/// What Open5GS's freeDiameter brings along.
const EXTENSIONS: [&str; 17] = [
    "acl_wl",
    "dbg_monitor",
    "dbg_msg_dumps",
    "dbg_msg_timings",
    "dbg_rt",
    "dict_dcca",
    "dict_dcca_3gpp",
    "dict_eap",
    "dict_mip6a",
    "dict_mip6i",
    "dict_nas_mipv6",
    "dict_nasreq",
    "dict_rfc5777",
    "dict_sip",
    "rt_busypeers",
    "rt_default",
    "rt_redirect",
];
/// Those without which it has no dictionary of S6a (lib/diameter/s6a/dict.c) and ends.
const NEEDED: [&str; 2] = ["dict_mip6i", "dict_dcca_3gpp"];

/// Everything that can be said of a configuration by itself, in the order in which freeDiameter would come upon it.
pub fn conditions(told: &FreeDiameter) -> Vec<Condition> {
    let mut out: Vec<Condition> =
        told.faults.iter().map(|fault| Condition::wrong("mme-conf", fault.clone())).collect();
    names(told, &mut out);
    out.extend(includes(told));
    if !told.section {
        tls::conditions(told, &mut out);
        identity(told, &mut out);
    }
    if told.without.ipv4 && told.without.ipv6 {
        let found = "No_IP and No_IPv6 leave no way to anybody";
        out.push(Condition::wrong(
            "mme-conf",
            Fault::whole(found, "take one of them away: freeDiameter does not start"),
        ));
    }
    extensions(told, &mut out);
    out
}

fn names(told: &FreeDiameter, out: &mut Vec<Condition>) {
    for one in &told.only_known_there {
        let (found, remedy) = match one.key {
            "TLS_Prio" => (
                format!("TLS_Prio = {:?} has names of GnuTLS, which its own version knows or not", one.text),
                "try it where freeDiameter runs (gnutls-cli --priority=… --list): with one that is unknown it does not start",
            ),
            _ => (
                format!(
                    "{} = {:?} is a name, which is looked up when freeDiameter starts",
                    one.key, one.text
                ),
                "write the address: where the name is not found at that moment, freeDiameter does not start",
            ),
        };
        out.push(Condition::doubtful("mme-conf", one.position.fault(found, remedy)));
    }
}

fn includes(told: &FreeDiameter) -> impl Iterator<Item = Condition> {
    told.includes.iter().filter_map(|one| {
        let relative = !one.pattern.starts_with('/');
        let found = match (one.files, relative) {
            (0, _) => format!(
                "include {:?} names no file here, which freeDiameter passes over in silence",
                one.pattern
            ),
            (_, true) => {
                format!("include {:?} is looked for in the folder that the daemon is started in", one.pattern)
            }
            _ => return None,
        };
        Some(Condition::doubtful(
            "mme-conf",
            one.position.fault(found, "write the whole path of a file that is there"),
        ))
    })
}

fn identity(told: &FreeDiameter, out: &mut Vec<Condition>) {
    let mut wrong = |found: String, remedy: &str| {
        out.push(Condition::wrong("mme-conf", Fault::whole(found, remedy)));
    };
    for (key, text) in [("Identity", &told.identity), ("Realm", &told.realm)] {
        if let Some(text) = text.as_deref().filter(|text| !is_identity(text, true)) {
            let remedy = "write letters, digits, - and . only (RFC 6733 §4.3.1): freeDiameter does not start";
            wrong(format!("{key} = {text:?} is no name that Diameter has"), remedy);
        }
    }
    let dotted = told
        .identity
        .as_deref()
        .is_none_or(|text| text.split_once('.').is_some_and(|(_, rest)| !rest.is_empty()));
    if told.realm.is_none() && !dotted {
        let found = format!(
            "Realm is missing, and Identity {:?} has no dot after which it would follow",
            told.identity.as_deref().unwrap_or_default()
        );
        wrong(found, "write Realm: freeDiameter does not start");
    }
}

/// The name by which an extension is known to others: its file's.
fn name_of(extension: &NamedFile) -> &str {
    let file = Path::new(&extension.text).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    file.strip_suffix(".fdx").unwrap_or(file)
}

fn extensions(told: &FreeDiameter, out: &mut Vec<Condition>) {
    let check = "extensions";
    let before = out.len();
    let mut not_here: Vec<&NamedFile> = Vec::new();
    for (at, extension) in told.extensions.iter().enumerate() {
        let name = name_of(extension);
        let wanted = DICTIONARIES.iter().find(|(known, _)| *known == name).and_then(|(_, wanted)| *wanted);
        if let Some(wanted) = wanted
            && !told.extensions[..at].iter().any(|earlier| name_of(earlier) == wanted)
        {
            let found =
                format!("{name} is loaded, and {wanted}, on which it depends, is not loaded before it");
            let remedy = format!("load {wanted} first: freeDiameter does not start");
            out.push(Condition::wrong(check, extension.position.fault(found, remedy)));
        }
        if let Some(first) = told.extensions[..at].iter().find(|earlier| name_of(earlier) == name) {
            let found = format!("{name} is loaded a second time, after line {}", first.position.line);
            out.push(Condition::wrong(
                check,
                extension.position.fault(found, "take one away: freeDiameter does not start"),
            ));
        }
        let path = Path::new(&extension.text);
        if !path.is_absolute() && !EXTENSIONS.contains(&name) {
            let found = format!(
                "{:?} is looked for in freeDiameter's folder of extensions, and has none of their names",
                extension.text
            );
            let remedy = "write its whole path: freeDiameter does not start if it is not there";
            out.push(Condition::doubtful(check, extension.position.fault(found, remedy)));
        }
        if path.is_absolute() && !path.exists() {
            match path.parent() {
                Some(folder) if folder.is_dir() => {
                    let found = format!("{} is not there", path.display());
                    let remedy = "write where it is: freeDiameter does not start without it";
                    out.push(Condition::wrong(check, extension.position.fault(found, remedy)));
                }
                _ => not_here.push(extension),
            }
        }
    }
    let missing: Vec<&str> = NEEDED
        .into_iter()
        .filter(|needed| !told.extensions.iter().any(|extension| name_of(extension) == *needed))
        .collect();
    if !missing.is_empty() {
        let found =
            format!("{} is not loaded, without which the MME has no dictionary of S6a", missing.join(", "));
        let remedy = match told.section {
            false => {
                "add LoadExtension for it (`callhome open5gs config --whole` has them all): the MME does not start"
            }
            true => {
                "add it, and what it depends on, to load_extension of the section: the MME does not start"
            }
        };
        out.push(Condition::wrong(check, Fault::whole(found, remedy)));
    }
    if let Some(first) = not_here.first() {
        let found = format!(
            "{} of {} files to load are of a folder that is not here",
            not_here.len(),
            told.extensions.len()
        );
        let remedy = format!("look where the MME runs: is {} there?", first.text);
        out.push(Condition::unseen(check, first.position.fault(found, remedy)));
    }
    if out.len() == before {
        out.push(Condition {
            check,
            verdict: Verdict::Good,
            fault: Fault::whole("what S6a needs is loaded", ""),
        });
    }
}
