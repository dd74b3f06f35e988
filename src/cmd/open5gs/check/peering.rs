//! Do MME and ICF come together as Diameter peers?

use std::net::{IpAddr, SocketAddr};

use icf_auc::config::Peer;
use s6a::net::Endpoint;
use schemas::rest::PeerState;

use super::super::finding::Findings;
use super::super::free_diameter::{Connect, FreeDiameter};
use super::super::ours::Ours;
use super::super::theirs::{File, FreeDiameterTold};
use super::Core;

/// Diameter's ports (RFC 6733 §2.1), which freeDiameter takes where none is written.
const PORT: u16 = 3868;
const PORT_TLS: u16 = 5868;

pub fn check(ours: &Ours, core: &Core, findings: &mut Findings) {
    match &core.free_diameter {
        Some(file) => connects(ours, file, findings),
        None => findings.unseen("connect", "mme.conf", not_here(core)),
    }
    let told = core.free_diameter.as_ref().and_then(|file| file.content.identity.clone());
    let Some(identity) = told.or_else(|| Some(ours.config.diameter.peers.first()?.identity.clone())) else {
        return findings.wrong("peer", &ours.file, "no peer may connect", "name the MME in [diameter] peers");
    };
    peer(ours, &identity, core, findings);
    state(ours, &identity, findings);
}

/// Why there is no file of freeDiameter to look at.
fn not_here(core: &Core) -> String {
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
    let place = file.line(connect.line);
    findings.good("connect", &place, format!("connects to {host}"));
    transport(ours, file, connect, &place, findings);
}

/// Addresses of a listener that suits a connection, and the port that it would take there.
fn suits(endpoint: &Endpoint, connect: &Connect, sctp: bool) -> Option<(Vec<SocketAddr>, u16)> {
    let plain = connect.port.unwrap_or(PORT);
    match endpoint {
        Endpoint::Tcp(address) if connect.no_tls => Some((vec![*address], plain)),
        Endpoint::Sctp(all) if connect.no_tls && sctp => Some((all.clone(), plain)),
        Endpoint::Tls(address) if !connect.no_tls => Some((vec![*address], connect.port.unwrap_or(PORT_TLS))),
        _ => None,
    }
}

fn transport(
    ours: &Ours,
    file: &File<FreeDiameter>,
    connect: &Connect,
    place: &str,
    findings: &mut Findings,
) {
    let sctp = !(file.content.no_sctp || connect.no_sctp);
    let listen: Vec<String> = ours.listen.iter().map(ToString::to_string).collect();
    let listen = format!("[diameter] listen of {}: {}", ours.file, listen.join(", "));
    if connect.old_tls {
        let found = "TLS_old_method: TLS after the CER, as RFC 3588 had it";
        return findings.wrong(
            "transport",
            place,
            found,
            "take TLS_old_method away: the ICF does TLS from the first octet",
        );
    }
    let suitable: Vec<_> = ours.listen.iter().filter_map(|one| suits(one, connect, sctp)).collect();
    if suitable.is_empty() {
        let (found, remedy) = if connect.no_tls {
            ("No_TLS, and the ICF has no listener for that", "take No_TLS away, or add tcp:// to")
        } else {
            (
                "TLS (No_TLS is not there), and the ICF has no listener for that",
                "write No_TLS, or add tls:// to",
            )
        };
        return findings.wrong("transport", place, found, format!("{remedy} {listen}"));
    }
    let at_port: Vec<_> =
        suitable.iter().filter(|(all, port)| all.iter().any(|one| one.port() == *port)).collect();
    if at_port.is_empty() {
        let port = suitable[0].1;
        let right = suitable[0].0.first().map_or(PORT, SocketAddr::port);
        let found = format!("goes to port {port}, where the ICF does not listen");
        return findings.wrong("transport", place, found, format!("write Port = {right}; {listen}"));
    }
    findings.good(
        "transport",
        place,
        format!("{}, port {}", if connect.no_tls { "without TLS" } else { "TLS" }, at_port[0].1),
    );
    let ours_at: Vec<IpAddr> = at_port.iter().flat_map(|(all, _)| all.iter().map(SocketAddr::ip)).collect();
    address(connect, &ours_at, place, &listen, findings);
    let first = sctp && !(connect.prefer_tcp || file.content.prefer_tcp);
    if first && !ours.listen.iter().any(|one| matches!(one, Endpoint::Sctp(_))) {
        let found = "SCTP is tried first, and the ICF does not listen for it";
        findings.doubtful("sctp-first", place, found, "write Prefer_TCP in the peer: connecting is quicker");
    }
}

fn address(connect: &Connect, ours_at: &[IpAddr], place: &str, listen: &str, findings: &mut Findings) {
    if connect.addresses.is_empty() {
        let found = "no ConnectTo: the name is looked up";
        return findings.doubtful("address", place, found, "write ConnectTo with the ICF's address");
    }
    let theirs: Vec<IpAddr> = connect.addresses.iter().filter_map(|text| text.parse().ok()).collect();
    // Names, and addresses behind a translation, cannot be judged from here.
    if theirs.is_empty() || ours_at.iter().any(|one| one.is_unspecified() || theirs.contains(one)) {
        return findings.good("address", place, format!("at {}", connect.addresses.join(", ")));
    }
    let found = format!("goes to {}", connect.addresses.join(", "));
    findings.doubtful("address", place, found, format!("is that the ICF? {listen}"));
}

fn peer(ours: &Ours, identity: &str, core: &Core, findings: &mut Findings) {
    let diameter = &ours.config.diameter;
    let realm = core.free_diameter.as_ref().and_then(|file| file.content.realm.as_deref());
    let place = format!("{} [diameter] peers", ours.file);
    let known = diameter.peers.iter().find(|peer| peer.identity.eq_ignore_ascii_case(identity));
    match known {
        Some(peer) => {
            listed(peer, realm, identity, &place, findings);
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

fn listed(peer: &Peer, realm: Option<&str>, identity: &str, place: &str, findings: &mut Findings) {
    match (&peer.realm, realm) {
        (Some(told), Some(realm)) if !told.eq_ignore_ascii_case(realm) => {
            let found = format!("realm {told}, and the MME says {realm}");
            findings.wrong("peer", place, found, format!("write realm = \"{realm}\": another one gets 3010"));
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

fn state(ours: &Ours, identity: &str, findings: &mut Findings) {
    let place = "REST /v1/peers";
    let Some(peers) = &ours.peers else {
        return findings.unseen("connected", place, "say --token-file (and --url): the running ICF tells");
    };
    let remedy = "is the MME running? It tries every 30 s (TcTimer of its freeDiameter): wait so long after a start of \
                  the ICF. Then its log and the ICF's say why it was refused";
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
