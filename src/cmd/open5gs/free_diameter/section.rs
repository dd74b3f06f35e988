//! The section `freeDiameter:` of a YAML file of Open5GS in place of a file of freeDiameter: lib/diameter/common/config.c
//! applies it, the contexts of the daemons read it.

use super::super::fault::Fault;
use super::super::yaml::Node;
use super::configuration::{Connect, FreeDiameter, NamedFile, TC_TIMER, Without};
use super::lexer::Position;
use super::names::{is_identity, numeric_address};

/// Reads the section. It knows no TLS (config.c sets PI_SEC_NONE), goes over IPv4 only (PI_P3_IP), and over SCTP first.
/// The address of a peer is `addr` up to 2.6, `address` from 2.7 on.
pub fn section(node: &Node) -> FreeDiameter {
    let text = |key: &str| node.text_of(key).filter(|text| !text.is_empty()).map(str::to_owned);
    let number = |key: &str| {
        node.text_of(key).and_then(|text| text.trim().parse::<u32>().ok()).filter(|number| *number > 0)
    };
    let mut told = FreeDiameter {
        identity: text("identity"),
        realm: text("realm"),
        tc_timer: number("tc_timer").unwrap_or(TC_TIMER),
        listen_on: text("listen_on").and_then(|text| numeric_address(&text)).into_iter().collect(),
        section: true,
        ..FreeDiameter::default()
    };
    for (key, what) in [
        ("identity", "its own name (Identity)"),
        ("realm", "its own realm (Realm)"),
        ("listen_on", "an address of this host in digits (ListenOn)"),
    ] {
        if text(key).is_none() {
            let found = format!("the section freeDiameter has no {key}");
            let remedy =
                format!("write {key}: {what}; without, the daemon says \"No mme.freeDiameter\" and ends");
            told.faults.push(Fault::at(node.key, found, remedy));
        }
    }
    if let Some(listen_on) = node.get("listen_on")
        && let Some(written) = listen_on.text()
        && !written.is_empty()
        && numeric_address(written).is_none()
    {
        let found = format!("listen_on: {written:?} is no address");
        told.faults.push(Fault::at(
            listen_on.line,
            found,
            "write it in digits: names are not looked up here",
        ));
    }
    for one in node.get("connect").map(Node::each).unwrap_or_default() {
        match connect(one) {
            Ok(peer)
                if told.connects.iter().any(|known| known.identity.eq_ignore_ascii_case(&peer.identity)) =>
            {
                let found = format!("the peer {} is there a second time", peer.identity);
                told.faults.push(Fault::at(
                    one.line,
                    found,
                    "take it away: the daemon does not start with both",
                ));
            }
            Ok(peer) => told.connects.push(peer),
            Err(fault) => told.faults.push(fault),
        }
    }
    for one in node.get("load_extension").map(Node::each).unwrap_or_default() {
        if let Some(module) = one.text_of("module") {
            let position = Position { file: None, line: one.line, column: 1 };
            told.extensions.push(NamedFile { key: "module", text: module.to_owned(), position });
        }
    }
    told
}

fn connect(one: &Node) -> Result<Connect, Fault> {
    let Some(identity) = one.text_of("identity").filter(|text| !text.is_empty()) else {
        let remedy = "write identity: the peer's Origin-Host; an entry without is passed over";
        return Err(Fault::at(one.line, "a connect without identity", remedy));
    };
    if !is_identity(identity, true) {
        let found = format!("identity {identity:?} is no name that Diameter has");
        return Err(Fault::at(one.line, found, "write letters, digits, - and . only (RFC 6733 §4.3.1)"));
    }
    let Some(address) = one.text_of("address").or_else(|| one.text_of("addr")) else {
        let found = format!("{identity} has no address");
        return Err(Fault::at(
            one.line,
            found,
            "write address: (addr: up to Open5GS 2.6); an entry without is passed over",
        ));
    };
    match numeric_address(address) {
        None => {
            let found = format!("{identity}: {address:?} is no address");
            Err(Fault::at(
                one.line,
                found,
                "write it in digits: names are not looked up here, and the daemon ends",
            ))
        }
        Some(numeric) if numeric.is_ipv6() => {
            let found = format!("{identity}: {address} is of IPv6, and this section goes over IPv4 alone");
            Err(Fault::at(
                one.line,
                found,
                "write an address of IPv4, or name a file of freeDiameter instead of the section",
            ))
        }
        Some(_) => Ok(Connect {
            identity: identity.to_owned(),
            line: one.line,
            addresses: vec![address.to_owned()],
            port: one.text_of("port").and_then(|port| port.parse().ok()).filter(|port| *port > 0),
            no_tls: true,
            without: Without { ipv6: true, ..Without::default() },
            ..Connect::default()
        }),
    }
}
