//! Does freeDiameter, as it is told, reach a listener of the ICF (p_cnx.c)?

use std::net::{IpAddr, SocketAddr};

use s6a::net::Endpoint;

use super::super::finding::Findings;
use super::super::free_diameter::{Connect, FreeDiameter, PORT, PORT_TLS, Without, numeric_address};
use super::super::ours::Ours;
use super::super::theirs::File;

const CHECK: &str = "transport";

/// What freeDiameter does without towards a peer, and what is to be said of it.
struct Peer<'a> {
    file: &'a File<FreeDiameter>,
    connect: &'a Connect,
    without: Without,
    place: String,
    /// `[diameter] listen of icf.toml: tcp://…`.
    listen: String,
}

pub fn check(
    ours: &Ours,
    file: &File<FreeDiameter>,
    connect: &Connect,
    place: &str,
    findings: &mut Findings,
) {
    let listen: Vec<String> = ours.listen.iter().map(ToString::to_string).collect();
    let peer = Peer {
        file,
        connect,
        without: file.content.without.and(connect.without),
        place: place.to_owned(),
        listen: format!("[diameter] listen of {}: {}", ours.file, listen.join(", ")),
    };
    if let Err((check, found, remedy)) = peer.reaches(ours, findings) {
        findings.wrong(check, place, found, remedy);
    }
}

/// A check that fails, what is found, and the remedy.
type Failed = (&'static str, String, String);

impl Peer<'_> {
    /// Addresses of a listener that suits the connection, and the port that it would take there.
    fn suits(&self, endpoint: &Endpoint, without: Without) -> Option<(Vec<SocketAddr>, u16)> {
        let plain = self.connect.port.unwrap_or(PORT);
        match endpoint {
            Endpoint::Tcp(address) if self.connect.no_tls && !without.tcp => Some((vec![*address], plain)),
            Endpoint::Sctp(all) if self.connect.no_tls && !without.sctp => Some((all.clone(), plain)),
            Endpoint::Tls(address) if !self.connect.no_tls && !without.tcp => {
                Some((vec![*address], self.connect.port.unwrap_or(PORT_TLS)))
            }
            _ => None,
        }
    }

    fn reaches(&self, ours: &Ours, findings: &mut Findings) -> Result<(), Failed> {
        let told = &self.file.content;
        if self.connect.old_tls || (told.old_tls && !self.connect.no_tls) {
            let found = "TLS_old_method: TLS after the CER, as RFC 3588 had it".to_owned();
            let remedy = "take TLS_old_method away: the ICF does TLS from the first octet".to_owned();
            return Err((CHECK, found, remedy));
        }
        let suitable: Vec<_> = ours.listen.iter().filter_map(|one| self.suits(one, self.without)).collect();
        if suitable.is_empty() {
            return Err(self.no_listener(ours));
        }
        if !self.connect.no_tls && told.is_without_tls() {
            let found =
                "TLS, and SecPort = 0 without TLS_Cred: freeDiameter does none, and gives the peer up"
                    .to_owned();
            return Err((CHECK, found, "write No_TLS in the peer, or TLS_Cred and TLS_CA".to_owned()));
        }
        let at_port: Vec<_> =
            suitable.iter().filter(|(all, port)| all.iter().any(|one| one.port() == *port)).collect();
        let Some((_, port)) = at_port.first() else {
            let port = suitable[0].1;
            let right = suitable[0].0.first().map_or(PORT, SocketAddr::port);
            let found = format!("goes to port {port}, where the ICF does not listen");
            return Err((CHECK, found, format!("write Port = {right}; {}", self.listen)));
        };
        let ours_at: Vec<IpAddr> =
            at_port.iter().flat_map(|(all, _)| all.iter().map(SocketAddr::ip)).collect();
        self.family(&ours_at)?;
        let how = if self.connect.no_tls { "without TLS" } else { "TLS" };
        findings.good(CHECK, &self.place, format!("{how}, port {port}"));
        self.address(&ours_at, findings);
        let first = !(self.without.sctp || self.connect.prefer_tcp || told.prefer_tcp);
        if first && !ours.listen.iter().any(|one| matches!(one, Endpoint::Sctp(_))) {
            let found = "SCTP is tried first, and the ICF does not listen for it";
            let remedy = match told.section {
                false => "write Prefer_TCP in the peer: connecting is quicker",
                true => {
                    "name a file of freeDiameter instead of the section, with Prefer_TCP: connecting is quicker"
                }
            };
            findings.doubtful("sctp-first", &self.place, found, remedy);
        }
        Ok(())
    }

    fn no_listener(&self, ours: &Ours) -> Failed {
        let any = |without: Without| ours.listen.iter().any(|one| self.suits(one, without).is_some());
        let listen = &self.listen;
        let (found, remedy) = if self.without.tcp && any(Without { tcp: false, ..self.without }) {
            let found = "No_TCP: TCP is never tried, and the ICF listens for nothing else";
            (found, format!("take No_TCP away, or add sctp:// to {listen}"))
        } else if self.without.sctp && any(Without { sctp: false, ..self.without }) {
            let found = "No_SCTP: SCTP is never tried, and the ICF listens for nothing else";
            (found, format!("take No_SCTP away, or add tcp:// to {listen}"))
        } else if self.connect.no_tls {
            let found = "No_TLS, and the ICF has no listener for that";
            (found, format!("take No_TLS away, or add tcp:// to {listen}"))
        } else {
            let found = "TLS (No_TLS is not there), and the ICF has no listener for that";
            (found, format!("write No_TLS, or add tls:// to {listen}"))
        };
        (CHECK, found.to_owned(), remedy)
    }

    /// Addresses of a family that is not used are taken away before anything is tried.
    fn family(&self, ours_at: &[IpAddr]) -> Result<(), Failed> {
        let word = match (self.without.ipv4, self.without.ipv6) {
            (true, _) => "No_IP",
            (_, true) => "No_IPv6",
            _ => return Ok(()),
        };
        let used = |address: &IpAddr| self.without.takes(*address);
        let theirs: Vec<IpAddr> =
            self.connect.addresses.iter().filter_map(|text| numeric_address(text)).collect();
        let only_numbers = !theirs.is_empty() && theirs.len() == self.connect.addresses.len();
        if only_numbers && !theirs.iter().any(used) {
            let found = format!(
                "{word}: {} is never tried, and there is no other address",
                self.connect.addresses.join(", ")
            );
            let remedy = format!(
                "take {word} away, or write ConnectTo with an address of the other kind; {}",
                self.listen
            );
            return Err(("address", found, remedy));
        }
        // `::` takes both kinds.
        let reachable = |address: &IpAddr| used(address) || (address.is_ipv6() && address.is_unspecified());
        if !ours_at.iter().any(reachable) {
            let found = format!("{word}, and the ICF listens on addresses of that kind only");
            return Err((
                "address",
                found,
                format!("take {word} away, or add an address of the other kind to {}", self.listen),
            ));
        }
        Ok(())
    }

    fn address(&self, ours_at: &[IpAddr], findings: &mut Findings) {
        let addresses = &self.connect.addresses;
        if addresses.is_empty() {
            let found = "no ConnectTo: the name is looked up";
            return findings.doubtful(
                "address",
                &self.place,
                found,
                "write ConnectTo with the ICF's address",
            );
        }
        let theirs = addresses.iter().filter_map(|text| numeric_address(text));
        let theirs: Vec<IpAddr> = theirs.filter(|one| self.without.takes(*one)).collect();
        // Names, and addresses behind a translation, cannot be judged from here.
        if theirs.is_empty() || ours_at.iter().any(|one| one.is_unspecified() || theirs.contains(one)) {
            return findings.good("address", &self.place, format!("at {}", addresses.join(", ")));
        }
        let found = format!("goes to {}", addresses.join(", "));
        findings.doubtful("address", &self.place, found, format!("is that the ICF? {}", self.listen));
    }
}
