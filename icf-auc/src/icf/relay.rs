//! Ordinary IMSIs of a network that is shared with provisional ones: their requests go on to the HSS that has them, and
//! that HSS's requests go on to the node that serves them.
//!
//! An MME chooses its HSS by the IMSI's network and names us as Destination-Host, so that we are a proxy on the way up
//! (RFC 6733 §2.8.2: the destination becomes the HSS) and a relay on the way down (§2.8.1: nothing but the routing
//! AVPs is touched). In both, Origin-Host, Session-Id and End-to-End id stay, Route-Record grows (§6.1.9), the
//! Hop-by-Hop id is of the connection (§6.1.9, §6.2.2), and answers pass as they are.

use std::sync::{Arc, OnceLock, Weak};

use s6a::{
    app::{AuthenticationInformationRequest, NotifyRequest, PurgeUeRequest, UpdateLocationRequest},
    base::Routing,
    codec::{
        CommandFlags, Header, Message, ResultCode, Writer,
        dictionary::base::{DESTINATION_HOST, DESTINATION_REALM, ROUTE_RECORD},
    },
    net::{Answer, Application, Destination, Down, Later, Node, PeerInfo, RequestError},
};
use schemas::identity::Imsi;

use super::application::S6a;
use crate::config;

/// What an MME or SGSN asks an HSS (TS 29.272 §5.2, §5.3, §5.5).
const UPWARD: [u32; 4] = [
    AuthenticationInformationRequest::CODE,
    UpdateLocationRequest::CODE,
    PurgeUeRequest::CODE,
    NotifyRequest::CODE,
];

/// Which IMSIs are whose.
#[derive(Debug, Clone)]
pub struct Split {
    networks: Vec<String>,
    ours: Vec<(Imsi, Imsi)>,
}

impl Split {
    /// From the configuration.
    ///
    /// # Errors
    /// Which key cannot be.
    pub fn new(config: &config::Relay) -> Result<Self, String> {
        let digits =
            |text: &String| text.len() >= 5 && text.len() <= 15 && text.bytes().all(|b| b.is_ascii_digit());
        if config.prefixes.is_empty() || !config.prefixes.iter().all(digits) {
            return Err(
                "relay.prefixes: digits that the shared IMSIs begin with, 5 to 15, as [\"99970\"]".into()
            );
        }
        let range = |text: &String| {
            let (first, last) = text.split_once('-')?;
            let (first, last) = (first.parse::<Imsi>().ok()?, last.parse::<Imsi>().ok()?);
            (first.digits() == last.digits() && first <= last).then_some((first, last))
        };
        let ours = config.ours.iter().map(|text| {
            range(text).ok_or_else(|| format!("relay.ours: {text:?} is no FIRST-LAST of IMSIs of one length"))
        });
        Ok(Self { networks: config.prefixes.clone(), ours: ours.collect::<Result<_, _>>()? })
    }

    /// Whether an IMSI is the other HSS's: of a shared network, and in no range of ours.
    #[must_use]
    pub fn is_theirs(&self, imsi: Imsi) -> bool {
        self.networks.iter().any(|prefix| imsi.has_prefix(prefix))
            && !self.ours.iter().any(|(first, last)| (*first..=*last).contains(&imsi))
    }
}

/// [`S6a`] with the other HSS behind it.
#[derive(Debug)]
pub struct Relay {
    inner: S6a,
    split: Split,
    hss: String,
    realm: String,
    origin: (String, String),
    node: OnceLock<Weak<Node>>,
}

/// Where a request goes on to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Next {
    host: String,
    realm: String,
    /// Whether these take the place of the request's own destination.
    rewrite: bool,
}

impl Relay {
    /// In front of what serves our own IMSIs.
    ///
    /// # Errors
    /// Which key of the configuration cannot be.
    pub fn new(inner: S6a, config: &config::Relay) -> Result<Self, String> {
        let origin = (inner.0.origin_host.clone(), inner.0.origin_realm.clone());
        let split = Split::new(config)?;
        Ok(Self {
            inner,
            split,
            hss: config.hss.clone(),
            realm: config.realm.clone(),
            origin,
            node: OnceLock::new(),
        })
    }

    /// The node to send with, once it runs.
    pub fn runs(&self, node: &Arc<Node>) {
        // A second node of one application does not occur.
        let _ = self.node.set(Arc::downgrade(node));
    }

    /// Where a request goes on to; `None`: it is served here.
    fn next(&self, from: &str, command: u32, routing: &Routing<'_>) -> Result<Option<Next>, ResultCode> {
        let same = |named: Option<&str>, own: &str| named.map(|name| name.eq_ignore_ascii_case(own));
        let of_hss = from.eq_ignore_ascii_case(&self.hss);
        let host = same(routing.destination_host, &self.origin.0);
        let realm = same(routing.destination_realm, &self.origin.1);
        if host == Some(true) || (host.is_none() && realm != Some(false)) {
            let imsi = routing.user_name.and_then(|name| name.parse().ok());
            return match imsi.filter(|imsi| UPWARD.contains(&command) && self.split.is_theirs(*imsi)) {
                None => Ok(None),
                // Its own subscriber comes back to us: sent on, it would come back again.
                Some(_) if of_hss => Err(ResultCode::LOOP_DETECTED),
                Some(_) => {
                    Ok(Some(Next { host: self.hss.clone(), realm: self.realm.clone(), rewrite: true }))
                }
            };
        }
        match (routing.destination_host, routing.destination_realm) {
            // Only for the HSS, and only to somebody it names: this is no relay for everybody.
            (Some(host), Some(realm)) if of_hss && !host.eq_ignore_ascii_case(from) => {
                Ok(Some(Next { host: host.to_owned(), realm: realm.to_owned(), rewrite: false }))
            }
            _ if realm == Some(false) => Err(ResultCode::REALM_NOT_SERVED),
            _ => Err(ResultCode::UNABLE_TO_DELIVER),
        }
    }

    fn forward(&self, from: &Arc<PeerInfo>, next: Next, message: &Message<'_>, answer: Answer<'_>) {
        // RFC 6733 §3: without the P bit, it has to be served where it arrives.
        if !message.header.flags.has(CommandFlags::PROXIABLE) {
            return answer.refuse(ResultCode::UNABLE_TO_DELIVER);
        }
        let Some(node) = self.node.get().and_then(Weak::upgrade) else {
            return answer.refuse(ResultCode::UNABLE_TO_DELIVER);
        };
        tokio::spawn(send(node, from.identity.clone(), next, answer.later()));
    }
}

async fn send(node: Arc<Node>, from: String, next: Next, later: Later) {
    let to = Destination { host: Some(&next.host), realm: &next.realm };
    let result = {
        let request = later.request();
        let write =
            |out: &mut Vec<u8>, hop_by_hop: u32, _: u32| passed_on(&request, &from, &next, hop_by_hop, out);
        node.request(to, write).await
    };
    match result {
        Ok(answer) => {
            let mut octets = answer.message().octets().to_vec();
            // §6.2.2: the Hop-by-Hop id that the request came with.
            octets[12..16].copy_from_slice(&later.request().header.hop_by_hop.to_be_bytes());
            later.send(octets);
        }
        Err(error) => {
            tracing::warn!(to = next.host, %error, "a request could not be passed on");
            later.refuse(match error {
                RequestError::Busy => ResultCode::TOO_BUSY,
                _ => ResultCode::UNABLE_TO_DELIVER,
            });
        }
    }
}

/// Appends a request as it goes on: another Hop-by-Hop id, one more Route-Record (the peer that it came from, §6.1.9),
/// and on the way up another destination.
fn passed_on(request: &Message<'_>, from: &str, next: &Next, hop_by_hop: u32, out: &mut Vec<u8>) {
    let mut w = Writer::new(out, &Header { hop_by_hop, ..request.header });
    let mut named = (false, false);
    // What cannot be read was refused before.
    for avp in request.avps().flatten() {
        if next.rewrite && avp.is(&DESTINATION_HOST) {
            w.str(&DESTINATION_HOST, &next.host);
            named.0 = true;
        } else if next.rewrite && avp.is(&DESTINATION_REALM) {
            w.str(&DESTINATION_REALM, &next.realm);
            named.1 = true;
        } else {
            w.raw(avp.raw);
        }
    }
    if next.rewrite && !named.1 {
        w.str(&DESTINATION_REALM, &next.realm);
    }
    if next.rewrite && !named.0 {
        w.str(&DESTINATION_HOST, &next.host);
    }
    w.str(&ROUTE_RECORD, from);
    w.finish();
}

impl Application for Relay {
    fn request(&self, from: &Arc<PeerInfo>, message: &Message<'_>, answer: Answer<'_>) {
        let routing = match Routing::read(message) {
            Ok(routing) => routing,
            Err(error) => return answer.refuse(&error),
        };
        match self.next(&from.identity, message.header.command, &routing) {
            Ok(None) => self.inner.request(from, message, answer),
            Ok(Some(next)) => self.forward(from, next, message, answer),
            Err(code) => answer.refuse(code),
        }
    }

    fn peer_up(&self, peer: &Arc<PeerInfo>) {
        self.inner.peer_up(peer);
    }

    fn peer_down(&self, peer: &Arc<PeerInfo>, why: &Down) {
        self.inner.peer_down(peer, why);
    }
}

#[cfg(test)]
mod tests {
    use s6a::codec::dictionary::base::{ORIGIN_HOST, SESSION_ID};

    use super::*;

    fn split() -> Split {
        Split::new(&config::Relay {
            hss: "hss.localdomain".into(),
            realm: "localdomain".into(),
            prefixes: vec!["99970".into()],
            ours: vec!["999700000500000-999700000599999".into()],
        })
        .unwrap()
    }

    #[test]
    fn imsis_of_the_shared_network_outside_our_ranges_are_theirs() {
        for (imsi, theirs) in [
            ("999700000499999", true),
            ("999700000500000", false),
            ("999700000599999", false),
            ("999700000600000", true),
            ("999710000000001", false),
        ] {
            assert_eq!(split().is_theirs(imsi.parse().unwrap()), theirs, "{imsi}");
        }
    }

    #[test]
    fn what_cannot_be_is_said_by_its_key() {
        let config = |prefixes: &[&str], ours: &[&str]| config::Relay {
            hss: "h".into(),
            realm: "r".into(),
            prefixes: prefixes.iter().map(ToString::to_string).collect(),
            ours: ours.iter().map(ToString::to_string).collect(),
        };
        for bad in [config(&[], &[]), config(&["9997"], &[]), config(&["9997x"], &[])] {
            assert!(Split::new(&bad).unwrap_err().contains("relay.prefixes"));
        }
        for bad in ["999700000000001", "999700000000002-999700000000001", "99970000001-999700000000002"] {
            assert!(Split::new(&config(&["99970"], &[bad])).unwrap_err().contains("relay.ours"), "{bad}");
        }
    }

    fn request() -> Vec<u8> {
        let flags = CommandFlags::REQUEST.with(CommandFlags::PROXIABLE).with(CommandFlags::RETRANSMITTED);
        let head =
            Header { length: 0, flags, command: 318, application: 16_777_251, hop_by_hop: 7, end_to_end: 99 };
        let mut out = Vec::new();
        let mut w = Writer::new(&mut out, &head);
        w.str(&SESSION_ID, "s");
        w.str(&ORIGIN_HOST, "mme.localdomain");
        w.str(&DESTINATION_HOST, "icf.example");
        w.str(&DESTINATION_REALM, "example");
        w.str(&ROUTE_RECORD, "far.example");
        w.finish();
        out
    }

    fn avps(octets: &[u8]) -> Vec<(u32, String)> {
        let message = Message::parse(octets).unwrap();
        message.avps().map(|avp| avp.unwrap()).map(|avp| (avp.code, avp.str().unwrap().to_owned())).collect()
    }

    #[test]
    fn on_the_way_up_the_destination_is_the_hss_and_everything_else_stays() {
        let next = Next { host: "hss.localdomain".into(), realm: "localdomain".into(), rewrite: true };
        let (octets, mut out) = (request(), Vec::new());
        passed_on(&Message::parse(&octets).unwrap(), "mme.localdomain", &next, 1234, &mut out);
        let header = Header::decode(&out).unwrap();
        assert_eq!((header.hop_by_hop, header.end_to_end), (1234, 99));
        assert!(header.flags.has(CommandFlags::RETRANSMITTED), "T stays (RFC 6733 §3)");
        let expected = [
            (SESSION_ID.code, "s"),
            (ORIGIN_HOST.code, "mme.localdomain"),
            (DESTINATION_HOST.code, "hss.localdomain"),
            (DESTINATION_REALM.code, "localdomain"),
            (ROUTE_RECORD.code, "far.example"),
            (ROUTE_RECORD.code, "mme.localdomain"),
        ];
        assert_eq!(avps(&out), expected.map(|(code, text)| (code, text.to_owned())));
    }

    #[test]
    fn on_the_way_down_only_route_record_grows() {
        let next = Next { host: "icf.example".into(), realm: "example".into(), rewrite: false };
        let (octets, mut out) = (request(), Vec::new());
        passed_on(&Message::parse(&octets).unwrap(), "hss.localdomain", &next, 1, &mut out);
        let mut expected = avps(&octets);
        expected.push((ROUTE_RECORD.code, "hss.localdomain".to_owned()));
        assert_eq!(avps(&out), expected);
    }
}
