//! A network for both kinds of IMSI: does all of it come to the ICF, and do ordinary ones get on to their HSS?

use icf_auc::{
    config::Relay,
    icf::relay::{self, split::Split},
};
use s6a::net::Endpoint;
use schemas::{identity::Imsi, rest::PeerState};

use super::super::finding::Findings;
use super::super::free_diameter::FreeDiameter;
use super::super::ours::Ours;
use super::super::theirs::{File, Mme};
use super::{Core, peering, routing, samples};

#[cfg(test)]
mod tests;

/// Everything about `[relay]`; nothing, if there is none.
pub fn check(ours: &Ours, core: &Core, findings: &mut Findings) {
    let Some(relay) = &ours.config.relay else { return };
    let place = format!("{} [relay]", ours.file);
    // What the ICF says when it starts: with that, nothing else can be judged.
    let split = match relay::check(relay).and_then(|()| Split::new(relay)) {
        Ok(split) => split,
        Err(why) => return findings.wrong("relay-keys", &place, why, "write it so: the ICF does not start"),
    };
    findings.good("relay-keys", &place, format!("ordinary IMSIs go on to {}", relay.hss));
    peer(ours, relay, findings);
    state(ours, relay, findings);
    match &core.hss {
        Some(file) => hss(ours, relay, file, findings),
        None => findings.unseen("relay-hss", "hss.conf", "say --hss-conf: freeDiameter's file of the HSS"),
    }
    provisional(ours, relay, &split, findings);
    if let Some(mme) = &core.mme
        && core.too_old().is_none()
    {
        for prefix in &relay.prefixes {
            map(ours, relay, core, mme, prefix, findings);
        }
        reach(ours, relay, mme, findings);
    }
    if let Some(file) = &core.free_diameter {
        direct(relay, file, findings);
    }
}

/// The HSS has to be a peer.
fn peer(ours: &Ours, relay: &Relay, findings: &mut Findings) {
    let place = format!("{} [diameter] peers", ours.file);
    let peers = &ours.config.diameter.peers;
    let Some(peer) = peers.iter().find(|peer| peer.identity.eq_ignore_ascii_case(&relay.hss)) else {
        let found = format!("{}, the HSS of [relay], is not listed", relay.hss);
        let remedy = format!(
            "add {{ identity = \"{}\", connect = \"tcp://ITS ADDRESS:3868\" }}: the ICF does not start",
            relay.hss
        );
        return findings.wrong("relay-peer", &place, found, remedy);
    };
    match &peer.realm {
        Some(realm) if !realm.eq_ignore_ascii_case(&relay.realm) => {
            let found =
                format!("{} has to be of realm {realm}, and [relay] sends to {}", relay.hss, relay.realm);
            findings.wrong("relay-peer", &place, found, "write the HSS's own realm in both");
        }
        _ => findings.good("relay-peer", &place, format!("{} is listed", relay.hss)),
    }
}

fn state(ours: &Ours, relay: &Relay, findings: &mut Findings) {
    let (check, place) = ("relay-connected", "REST /v1/peers");
    let Some(peers) = &ours.peers else {
        return findings.unseen(check, place, "say --token-file (and --url): the running ICF tells");
    };
    let state =
        peers.iter().find(|peer| peer.identity.eq_ignore_ascii_case(&relay.hss)).map(|peer| peer.state);
    let remedy = "is the HSS running? Until then ordinary subscribers get 3002, which is EMM cause 15";
    match state {
        Some(PeerState::Open) => findings.good(check, place, format!("{} is open", relay.hss)),
        Some(state) => {
            findings.wrong(check, place, format!("{} is {state:?}", relay.hss).to_lowercase(), remedy);
        }
        None => peering::absent(ours, &relay.hss, check, remedy, findings),
    }
}

/// freeDiameter of the HSS lets nobody in whom it does not know by a ConnectPeer.
fn hss(ours: &Ours, relay: &Relay, file: &File<FreeDiameter>, findings: &mut Findings) {
    let check = "relay-hss";
    for (what, told, written) in [
        ("Identity", file.content.identity.as_deref(), &relay.hss),
        ("Realm", file.content.origin_realm(), &relay.realm),
    ] {
        if let Some(told) = told
            && !told.eq_ignore_ascii_case(written)
        {
            let found = format!("{what} is {told}, and [relay] of {} says {written}", ours.file);
            return findings.wrong(check, &file.name, found, format!("write {told} in [relay]"));
        }
    }
    let diameter = &ours.config.diameter;
    let host = &diameter.origin_host;
    let Some(connect) = file.content.connects.iter().find(|one| one.identity.eq_ignore_ascii_case(host))
    else {
        let found = format!("no ConnectPeer for {host}");
        let remedy = "add one (that of mme.conf does): it lets nobody in whom it does not know";
        return findings.wrong(check, &file.name, found, remedy);
    };
    let place = file.line(connect.line);
    let ours_connects = diameter.peers.iter().find(|peer| peer.identity.eq_ignore_ascii_case(&relay.hss));
    let tls = ours_connects
        .and_then(|peer| peer.connect.as_deref()?.parse::<Endpoint>().ok())
        .map(|endpoint| matches!(endpoint, Endpoint::Tls(_)));
    match tls {
        Some(false) if !connect.no_tls => {
            let found = format!("{host} has to come with TLS, and the ICF connects without");
            findings.wrong(check, &place, found, "write No_TLS, or connect = \"tls://…\" at the ICF");
        }
        Some(true) if connect.no_tls => {
            let found = format!("{host} is No_TLS, and the ICF connects with TLS");
            findings.wrong(
                check,
                &place,
                found,
                "take No_TLS away, or write connect = \"tcp://…\" at the ICF",
            );
        }
        _ => findings.good(check, &place, format!("knows {host}")),
    }
}

/// Whatever was issued is served here only if it is in no shared network, or in `ours` of it.
fn provisional(ours: &Ours, relay: &Relay, split: &Split, findings: &mut Findings) {
    let (check, place) = ("relay-ours", format!("{} [relay] ours", ours.file));
    let samples = samples(ours);
    if let Some((imsi, source)) = samples.iter().find(|(imsi, _)| split.is_theirs(*imsi)) {
        let found = format!("{imsi} ({source}) is in none of these ranges: it goes on to {}", relay.hss);
        let remedy = "add its range, or say with --range which IMSIs are provisional";
        return findings.wrong(check, &place, found, remedy);
    }
    let outside = relay.ours.iter().find(|range| {
        let inside = |imsi: &str| imsi.parse().is_ok_and(|imsi| split.is_shared(imsi));
        !range.split('-').all(inside)
    });
    match outside {
        Some(range) => {
            let found = format!("{range} begins with none of prefixes: {}", relay.prefixes.join(", "));
            findings.doubtful(
                check,
                &place,
                found,
                "a slip? IMSIs outside of prefixes are served here anyway",
            );
        }
        None => findings.good(check, &place, "provisional IMSIs are served here"),
    }
}

/// Both ends of what begins with a prefix.
fn ends(prefix: &str) -> Vec<Imsi> {
    let fill = |digit: &str| {
        let rest = Imsi::MAX_DIGITS.saturating_sub(prefix.len());
        format!("{prefix}{}", digit.repeat(rest)).parse().ok()
    };
    [fill("0"), fill("9")].into_iter().flatten().collect()
}

/// The shared network has to go to the ICF, and no longer to its HSS.
fn map(ours: &Ours, relay: &Relay, core: &Core, mme: &File<Mme>, prefix: &str, findings: &mut Findings) {
    let check = "relay-map";
    let maps = &mme.content.hss_map;
    for imsi in ends(prefix) {
        let entry = maps.iter().find(|entry| entry.matches(imsi));
        if entry.is_some_and(|entry| routing::ours_is(ours, entry)) {
            let place = entry.map_or_else(|| mme.name.clone(), |entry| mme.line(entry.line));
            findings.good(check, &place, format!("what begins with {prefix} comes to the ICF"));
            continue;
        }
        let place = entry.map_or_else(|| mme.name.clone(), |entry| mme.line(entry.line));
        let own_realm = core.free_diameter.as_ref().and_then(|file| file.content.origin_realm());
        let whom = match entry {
            Some(entry) => routing::target(entry),
            None => format!("the MME's own realm {}", own_realm.unwrap_or_default()).trim_end().to_owned(),
        };
        let found = format!("{imsi} (prefix {prefix} of [relay]) goes to {whom}, past the ICF");
        let diameter = &ours.config.diameter;
        let remedy = format!(
            "one entry for this network, with realm: {}, host: {}: the ICF sends ordinary IMSIs on",
            diameter.origin_realm, diameter.origin_host
        );
        // Without ranges of ours in it, nobody misses the ICF.
        if relay.ours.is_empty() {
            findings.doubtful(check, &place, found, remedy);
        } else {
            findings.wrong(check, &place, found, remedy);
        }
    }
}

/// What comes to the ICF of a shared network has to be sent on in full: `hss_map` knows whole networks only.
fn reach(ours: &Ours, relay: &Relay, mme: &File<Mme>, findings: &mut Findings) {
    let check = "relay-prefixes";
    let place = format!("{} [relay] prefixes", ours.file);
    for entry in mme.content.hss_map.iter().filter(|entry| routing::ours_is(ours, entry)) {
        let Some(digits) = entry.digits.as_deref() else { continue };
        if relay.prefixes.iter().any(|prefix| digits.starts_with(prefix.as_str())) {
            findings.good(check, &place, format!("hold all of {}", entry.written));
        } else if let Some(narrow) = relay.prefixes.iter().find(|prefix| prefix.starts_with(digits)) {
            let found = format!(
                "{}: all of {} comes here ({}), and what does not begin with it is unknown here",
                narrow,
                entry.written,
                mme.line(entry.line)
            );
            findings.doubtful(
                check,
                &place,
                found,
                format!("write {digits:?}, unless nobody has such IMSIs"),
            );
        }
    }
}

/// An MME that is connected to the HSS as well.
fn direct(relay: &Relay, file: &File<FreeDiameter>, findings: &mut Findings) {
    let check = "relay-direct";
    match file.content.connects.iter().find(|one| one.identity.eq_ignore_ascii_case(&relay.hss)) {
        None => findings.good(check, &file.name, format!("connects to {} through the ICF alone", relay.hss)),
        Some(connect) => {
            let found = format!("connects to {} as well", relay.hss);
            let remedy = "take it away, unless it is asked for other networks: CLR and IDR of the HSS go past the ICF \
                          and are counted nowhere";
            findings.doubtful(check, &file.line(connect.line), found, remedy);
        }
    }
}
