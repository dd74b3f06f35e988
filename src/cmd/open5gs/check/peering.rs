//! Do MME and ICF come together as Diameter peers?

use icf_auc::config::Peer;
use schemas::rest::PeerState;

use super::super::finding::Findings;
use super::super::free_diameter::{FreeDiameter, TC_TIMER};
use super::super::ours::Ours;
use super::super::theirs::{File, FreeDiameterTold};
use super::{Core, transport};

pub fn check(ours: &Ours, core: &Core, findings: &mut Findings) {
    match &core.free_diameter {
        Some(file) => connects(ours, file, findings),
        None => findings.unseen("connect", "mme.conf", not_here(core)),
    }
    match identity(ours, core) {
        Ok(identity) => {
            peer(ours, &identity, core, findings);
            state(ours, &identity, core, findings);
        }
        Err(unknown) => unknown.say(findings),
    }
}

/// Why the MME's Identity is not known.
enum Unknown<'a> {
    /// Nobody may connect at all.
    NoPeers(&'a str),
    /// It is not written.
    NotWritten(&'a str),
    /// The file that has it cannot be read.
    Unread,
}

impl Unknown<'_> {
    fn say(self, findings: &mut Findings) {
        match self {
            Self::NoPeers(file) => {
                findings.wrong("peer", file, "no peer may connect", "name the MME in [diameter] peers")
            }
            Self::NotWritten(file) => {
                let found = "Identity is missing: freeDiameter takes the host's own name, which cannot be known from here";
                let remedy = "write Identity, and Realm, as [diameter] peers of the ICF has them: another name gets 3010";
                findings.doubtful("peer", file, found, remedy);
            }
            Self::Unread => {
                findings.unseen("peer", "mme.conf", "the MME's Identity is known once its file can be read");
            }
        }
    }
}

/// The MME's Identity: that of its file, or, without one, the first that the ICF lists.
fn identity<'a>(ours: &'a Ours, core: &'a Core) -> Result<String, Unknown<'a>> {
    let conf = core.free_diameter.as_ref();
    if let Some(identity) = conf.and_then(|file| file.content.identity.clone()) {
        return Ok(identity);
    }
    match conf {
        Some(file) => Err(Unknown::NotWritten(&file.name)),
        None if core.unusable.iter().any(|one| one.name.ends_with(".conf")) => Err(Unknown::Unread),
        None => {
            let first = ours.config.diameter.peers.first();
            first.map(|peer| peer.identity.clone()).ok_or(Unknown::NoPeers(&ours.file))
        }
    }
}

/// Why there is no file of freeDiameter to look at.
fn not_here(core: &Core) -> String {
    if core.unusable.iter().any(|one| one.name.ends_with(".conf")) {
        return "mend what is wrong with freeDiameter's file first".to_owned();
    }
    let mme = core.mme.as_ref();
    match mme.map(|mme| (&mme.name, &mme.content.free_diameter)) {
        Some((name, FreeDiameterTold::In(path))) => {
            format!("say --mme-conf: {path}, which {name} names, is not here")
        }
        Some((name, _)) => format!("say --mme-conf: {name} names no file of freeDiameter"),
        None => "say --mme-conf, or --mme-yaml, which names it".to_owned(),
    }
}

fn connects(ours: &Ours, file: &File<FreeDiameter>, findings: &mut Findings) {
    let host = &ours.config.diameter.origin_host;
    let Some(connect) = file.content.connects.iter().find(|one| one.identity.eq_ignore_ascii_case(host))
    else {
        let named: Vec<&str> = file.content.connects.iter().map(|one| one.identity.as_str()).collect();
        let found = format!(
            "connects to {} only",
            if named.is_empty() { "nobody".to_owned() } else { named.join(", ") }
        );
        let remedy =
            format!("add a peer of the name {host}, the ICF's origin_host (`callhome open5gs config`)");
        return findings.wrong("connect", &file.name, found, remedy);
    };
    let place = connect
        .file
        .as_ref()
        .map_or_else(|| file.line(connect.line), |file| format!("{file}:{}", connect.line));
    findings.good("connect", &place, format!("connects to {host}"));
    transport::check(ours, file, connect, &place, findings);
    let realm = &ours.config.diameter.origin_realm;
    if let Some(told) = connect.realm.as_ref().filter(|told| !told.eq_ignore_ascii_case(realm)) {
        let found =
            format!("Realm = {told:?} for the ICF, whose realm is {realm}: an ICF that connects is refused");
        findings.doubtful(
            "connect",
            &place,
            found,
            format!("write Realm = \"{realm}\" in the peer, or take it away"),
        );
    }
}

fn peer(ours: &Ours, identity: &str, core: &Core, findings: &mut Findings) {
    let diameter = &ours.config.diameter;
    let told = core.free_diameter.as_ref().map(|file| &file.content);
    let realm = told.and_then(FreeDiameter::origin_realm);
    let implied = told.is_some_and(|told| told.realm.is_none());
    let place = format!("{} [diameter] peers", ours.file);
    let known = diameter.peers.iter().find(|peer| peer.identity.eq_ignore_ascii_case(identity));
    match known {
        Some(peer) => {
            listed(peer, realm, implied, identity, &place, findings);
            vectors(peer.max_vectors.unwrap_or(ours.config.icf.max_vectors), &place, findings);
        }
        None if diameter.accept_unknown_peers => {
            let found = format!(
                "{identity} is not listed, and gets in because accept_unknown_peers lets everybody in"
            );
            findings.doubtful("peer", &place, found, "list it, and take accept_unknown_peers away");
            vectors(ours.config.icf.max_vectors, &place, findings);
        }
        None => {
            let remedy = "add it (`callhome open5gs config` prints the line): it gets 3010 and no service";
            findings.wrong("peer", &place, format!("{identity}, the MME's Identity, is not listed"), remedy);
        }
    }
    if realm == Some(diameter.origin_realm.as_str()) {
        let found = format!("the MME and the ICF are both of realm {}", diameter.origin_realm);
        let remedy = "give the ICF a realm of its own: IMSIs that no hss_map names may be routed to it";
        findings.doubtful("realm", &ours.file, found, remedy);
    }
}

fn listed(
    peer: &Peer,
    realm: Option<&str>,
    implied: bool,
    identity: &str,
    place: &str,
    findings: &mut Findings,
) {
    match (&peer.realm, realm) {
        (Some(told), Some(realm)) if !told.eq_ignore_ascii_case(realm) => {
            let (found, other) = match implied {
                false => (format!("realm {told}, and the MME says {realm}"), String::new()),
                true => (
                    format!(
                        "realm {told}, and the MME says {realm}: without a Realm line it is what follows the first dot of its \
                         Identity"
                    ),
                    format!(", or Realm = \"{told}\"; in the MME's file"),
                ),
            };
            let remedy = format!("write realm = \"{realm}\"{other}: another one gets 3010");
            findings.wrong("peer", place, found, remedy);
        }
        _ => findings.good("peer", place, format!("{identity} is listed")),
    }
}

fn vectors(at_most: u8, place: &str, findings: &mut Findings) {
    if at_most == 1 {
        return findings.good("max-vectors", place, "1");
    }
    // The MME asks for one (mme-fd-path.c), and nobody is given more than they ask for.
    let remedy = "nothing comes of it with Open5GS's MME, which asks for one vector and is given no more; \
                  max_vectors = 1 for this peer keeps it so, as freeDiameter drops an answer with two";
    findings.doubtful("max-vectors", place, at_most.to_string(), remedy);
}

fn state(ours: &Ours, identity: &str, core: &Core, findings: &mut Findings) {
    let place = "REST /v1/peers";
    let Some(peers) = &ours.peers else {
        return findings.unseen("connected", place, "say --token-file (and --url): the running ICF tells");
    };
    let seconds = core.free_diameter.as_ref().map_or(TC_TIMER, |file| file.content.tc_timer);
    let remedy = &format!(
        "is the MME running? It tries every {seconds} s (TcTimer of its freeDiameter): wait so long after a start of the ICF. \
         Then its log and the ICF's say why it was refused"
    );
    match peers.iter().find(|peer| peer.identity.eq_ignore_ascii_case(identity)).map(|peer| peer.state) {
        Some(PeerState::Open) => findings.good("connected", place, format!("{identity} is open")),
        Some(PeerState::Suspect) => {
            findings.doubtful("connected", place, format!("{identity} does not answer its watchdog"), remedy);
        }
        Some(state) => {
            findings.wrong("connected", place, format!("{identity} is {state:?}").to_lowercase(), remedy);
        }
        None => absent(ours, identity, "connected", remedy, findings),
    }
}

/// A peer that REST does not name. It names all that `[diameter] peers` had when the ICF was started, connected or not.
pub fn absent(ours: &Ours, identity: &str, check: &'static str, running: &str, findings: &mut Findings) {
    let (place, diameter) = ("REST /v1/peers", &ours.config.diameter);
    let found = format!("{identity} is not there");
    if diameter.peers.iter().any(|peer| peer.identity.eq_ignore_ascii_case(identity)) {
        let found = format!("{found}, though {} lists it", ours.file);
        let remedy = format!("start the ICF again: it runs with an older {}", ours.file);
        return findings.wrong(check, place, found, remedy);
    }
    if diameter.accept_unknown_peers {
        return findings.wrong(check, place, found, running);
    }
    let remedy = format!("add it to [diameter] peers of {}, and start the ICF again", ours.file);
    findings.wrong(check, place, found, remedy);
}
