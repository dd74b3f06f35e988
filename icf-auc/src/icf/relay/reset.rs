//! RSR of the other HSS that names no node: it has lost who serves its subscribers, and does not know whom to tell.
//!
//! TS 29.272 §5.2.4.1: an HSS tells every MME and SGSN that it may have registered subscribers at. To each it goes as
//! a request of that HSS, whose Origin-Host is how a node finds the subscribers that it concerns (the same clause).

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use futures_util::future::join_all;
use s6a::{
    app::UpdateLocationRequest,
    base::{Refusal, Routing},
    codec::ResultCode,
    net::{Later, Node, PeerInfo},
};

use super::{
    courier::Courier,
    metrics,
    passage::Next,
    route::{Direction, LONGEST_NAME, Route},
};

/// Nodes behind others that are remembered.
const MOST: usize = 1000;
/// Of them behind one relay: who asks in many names leaves room for the others.
const MOST_OF_ONE: usize = 250;

/// Where a node is.
#[derive(Debug)]
struct Whereabouts {
    realm: String,
    /// Identity of the relay.
    relay: String,
}

/// Nodes that have registered subscribers at the HSS and are no peers of ours, with their realms: they are behind a
/// relay. Those that are peers need not be remembered.
#[derive(Debug, Default)]
pub struct Behind(Mutex<BTreeMap<String, Whereabouts>>);

impl Behind {
    /// A request has gone up that came from the peer `from`. Only a relay speaks for others (RFC 6733 §2.4): what else
    /// writes another Origin-Host has nobody behind it.
    pub fn note(&self, from: &PeerInfo, command: u32, routing: &Routing<'_>) {
        let (Some(host), Some(realm)) = (routing.origin_host, routing.origin_realm) else { return };
        if !from.relay || command != UpdateLocationRequest::CODE || host.eq_ignore_ascii_case(&from.identity)
        {
            return;
        }
        if host.len() > LONGEST_NAME || realm.len() > LONGEST_NAME {
            return;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let host = host.to_ascii_lowercase();
        let of_relay = known.values().filter(|node| node.relay.eq_ignore_ascii_case(&from.identity)).count();
        if known.contains_key(&host) || (known.len() < MOST && of_relay < MOST_OF_ONE) {
            known.insert(host, Whereabouts { realm: realm.to_owned(), relay: from.identity.clone() });
        }
    }

    fn all(&self) -> Vec<(String, String)> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().map(|(host, node)| (host.clone(), node.realm.clone())).collect()
    }
}

/// Whom it is for: every open peer but the HSS, and whoever was met behind one.
fn nodes(node: &Node, behind: &Behind, route: &Route, realm: Option<&str>) -> Vec<Next> {
    let open = node.peers().into_iter().filter(|peer| peer.state.is_open());
    let mut all: Vec<(String, String)> =
        open.map(|peer| (peer.identity, peer.realm.unwrap_or_default())).collect();
    for (host, realm) in behind.all() {
        if !all.iter().any(|(known, _)| known.eq_ignore_ascii_case(&host)) {
            all.push((host, realm));
        }
    }
    all.into_iter()
        .filter(|(host, of)| !route.is_hss(host) && realm.is_none_or(|realm| realm.eq_ignore_ascii_case(of)))
        .map(|(host, realm)| Next { host, realm, rewrite: true })
        .collect()
}

/// Sends it to every node, and answers it: 2001 if each has answered and one at least has taken it; 3002 if there is
/// none, or one was not reached; 5012 if all have refused it.
pub async fn every_node(
    courier: &Courier,
    behind: &Behind,
    route: &Route,
    (from, realm): (&str, Option<&str>),
    later: Later,
) {
    let request = later.request();
    let nodes = courier.node().map(|node| nodes(&node, behind, route, realm)).unwrap_or_default();
    let asked = join_all(nodes.iter().map(|next| courier.ask(Direction::Down, from, next, &request))).await;
    let missed = asked.iter().filter(|asked| asked.is_err()).count();
    let answers = asked.iter().flatten();
    let taken = answers.filter(|answer| metrics::class(&answer.message()) == "2xxx").count();
    tracing::info!(hss = from, nodes = nodes.len(), taken, missed, "the HSS has reset its nodes");
    let what = format!("{taken} of {} nodes have taken it, {missed} have not answered", nodes.len());
    let code = match (nodes.len(), taken, missed) {
        (0, ..) | (_, _, 1..) => ResultCode::UNABLE_TO_DELIVER,
        (_, 0, _) => ResultCode::UNABLE_TO_COMPLY,
        _ => ResultCode::SUCCESS,
    };
    // An RSA (§7.2.16) has no more in it than any refusal.
    let result =
        Refusal { message: if code == ResultCode::SUCCESS { "" } else { &what }, ..Refusal::from(code) };
    later.refuse(result);
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use s6a::net::TransportKind;

    use super::*;

    fn peer(relay: bool) -> PeerInfo {
        PeerInfo {
            identity: "dra.localdomain".into(),
            realm: "localdomain".into(),
            address: None,
            transport: TransportKind::Memory,
            product_name: String::new(),
            vendor_id: 0,
            origin_state_id: None,
            relay,
            since: SystemTime::UNIX_EPOCH,
            connection: 1,
        }
    }

    #[test]
    fn nodes_are_remembered_that_have_registered_somebody_through_a_relay_and_no_others() {
        let behind = Behind::default();
        let note = |relay: bool, command: u32, host: &str| {
            let routing =
                Routing { origin_host: Some(host), origin_realm: Some("far"), ..Routing::default() };
            behind.note(&peer(relay), command, &routing);
        };
        let (air, ulr) = (318, UpdateLocationRequest::CODE);
        note(true, air, "one.far");
        note(false, ulr, "two.far");
        note(true, ulr, "DRA.localdomain");
        note(true, ulr, &"x".repeat(LONGEST_NAME + 1));
        assert_eq!(behind.all(), []);
        note(true, ulr, "Three.far");
        note(true, ulr, "three.far");
        assert_eq!(behind.all(), [("three.far".to_owned(), "far".to_owned())]);
        for number in 0..2 * MOST {
            note(true, ulr, &format!("mme{number}.far"));
        }
        assert_eq!(behind.all().len(), MOST_OF_ONE, "one relay leaves room for the others");
        for relay in 0..8 {
            let from = PeerInfo { identity: format!("dra{relay}.localdomain"), ..peer(true) };
            for number in 0..MOST {
                let host = format!("mme{number}.behind{relay}");
                let routing =
                    Routing { origin_host: Some(&host), origin_realm: Some("far"), ..Routing::default() };
                behind.note(&from, ulr, &routing);
            }
        }
        assert_eq!(behind.all().len(), MOST);
    }
}
