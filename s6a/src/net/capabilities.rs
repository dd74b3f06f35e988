//! Capabilities exchange: what our CER and CEA say, and whether a peer's are acceptable, RFC 6733 §5.3.

use std::net::{IpAddr, Ipv4Addr};
use std::time::SystemTime;

use super::certificate;
use super::shown::shortened;
use super::{NodeConfig, PeerConfig, PeerInfo, TransportKind};
use crate::base::{
    CapabilitiesExchangeAnswer, CapabilitiesExchangeRequest, FailedAvp, NO_INBAND_SECURITY, PeerCapabilities,
    RELAY, VendorSpecificApplicationId,
};
use crate::codec::dictionary::base::{ERROR_MESSAGE, FAILED_AVP, RESULT_CODE};
use crate::codec::grammar::missing;
use crate::codec::{Avps, DecodeError, Header, Message, ResultCode};

/// What the transport tells about the other end.
#[derive(Debug, Clone)]
pub(super) struct End {
    pub(super) kind: TransportKind,
    /// Our addresses: one, of an SCTP association all.
    pub(super) local: Vec<std::net::SocketAddr>,
    pub(super) remote: Option<std::net::SocketAddr>,
    pub(super) certificate: Option<Vec<u8>>,
    pub(super) connection: u64,
}

/// The lists that our CER and CEA have in common.
struct Offer {
    addresses: Vec<IpAddr>,
    vendors: Vec<u32>,
    plain: Vec<u32>,
    vendor_specific: Vec<VendorSpecificApplicationId>,
}

impl Offer {
    fn new(node: &NodeConfig, end: &End) -> Self {
        let mut addresses = node.host_ip_addresses.clone();
        if addresses.is_empty() {
            // RFC 6733 §5.3.5: over SCTP, every address that may be a source.
            addresses.extend(end.local.iter().map(|local| local.ip().to_canonical()));
        }
        if addresses.is_empty() {
            // In memory there is no address, yet the AVP is required.
            addresses.push(IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
        let mut vendors: Vec<u32> =
            node.applications.iter().map(|a| a.vendor).filter(|vendor| *vendor != 0).collect();
        vendors.sort_unstable();
        vendors.dedup();
        let plain = node.applications.iter().filter(|a| a.vendor == 0).map(|a| a.id).collect();
        let vendor_specific = node
            .applications
            .iter()
            .filter(|a| a.vendor != 0)
            .map(|a| VendorSpecificApplicationId {
                vendor_id: a.vendor,
                auth_application_id: Some(a.id),
                acct_application_id: None,
            })
            .collect();
        Self { addresses, vendors, plain, vendor_specific }
    }
}

/// Appends our CER, RFC 6733 §5.3.1.
pub(super) fn request(
    node: &NodeConfig,
    end: &End,
    origin_state_id: u32,
    (hop_by_hop, end_to_end): (u32, u32),
    out: &mut Vec<u8>,
) {
    let offer = Offer::new(node, end);
    CapabilitiesExchangeRequest {
        origin_host: &node.origin_host,
        origin_realm: &node.origin_realm,
        host_ip_address: (&offer.addresses).into(),
        vendor_id: node.vendor_id,
        product_name: node.product_name,
        origin_state_id: Some(origin_state_id),
        supported_vendor_id: (&offer.vendors).into(),
        auth_application_id: (&offer.plain).into(),
        // TLS, if any, is there from the first octet (§2.1): nothing is negotiated inside.
        inband_security_id: (&[NO_INBAND_SECURITY]).into(),
        vendor_specific_application_id: (&offer.vendor_specific).into(),
        ..CapabilitiesExchangeRequest::default()
    }
    .encode(out, hop_by_hop, end_to_end);
}

/// Our CEA, RFC 6733 §5.3.2, to the CER with this header.
pub(super) fn answer(
    node: &NodeConfig,
    end: &End,
    origin_state_id: u32,
    cer: &Header,
    result: ResultCode,
    refused: Option<&Refused>,
) -> Vec<u8> {
    let offer = Offer::new(node, end);
    let mut out = Vec::with_capacity(256);
    CapabilitiesExchangeAnswer {
        result_code: result,
        origin_host: &node.origin_host,
        origin_realm: &node.origin_realm,
        host_ip_address: (&offer.addresses).into(),
        vendor_id: node.vendor_id,
        product_name: node.product_name,
        origin_state_id: Some(origin_state_id),
        error_message: refused.map(|refused| refused.why.as_str()),
        failed_avp: refused.filter(|r| !r.failed.is_empty()).map(|r| FailedAvp { octets: &r.failed }),
        supported_vendor_id: (&offer.vendors).into(),
        auth_application_id: (&offer.plain).into(),
        inband_security_id: (&[NO_INBAND_SECURITY]).into(),
        vendor_specific_application_id: (&offer.vendor_specific).into(),
        ..CapabilitiesExchangeAnswer::default()
    }
    .encode(&mut out, cer);
    out
}

/// Why a CER is refused, or a CEA not accepted.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) code: ResultCode,
    pub(super) why: String,
    /// Failed-AVP's data, empty for none (RFC 6733 §7.5).
    failed: Vec<u8>,
}

impl Refused {
    pub(super) fn new(code: ResultCode, why: String) -> Self {
        Self { code, why, failed: Vec::new() }
    }
}

impl From<DecodeError> for Refused {
    fn from(error: DecodeError) -> Self {
        let why = match error.avp() {
            Some(avp) => format!("{}: {avp}", error.what),
            None => error.what.to_owned(),
        };
        Self { code: error.code, why, failed: error.failed }
    }
}

/// Whether a CER is acceptable from this end; `config` is the entry of its Origin-Host, if there is one.
pub(super) fn check_request(
    node: &NodeConfig,
    end: &End,
    message: &Message<'_>,
    config: Option<&PeerConfig>,
) -> Result<PeerInfo, Refused> {
    let cer = PeerCapabilities::read(message)?;
    let unknown = |why: String| Refused::new(ResultCode::UNKNOWN_PEER, why);
    if cer.origin_host.eq_ignore_ascii_case(&node.origin_host) {
        return Err(unknown("the peer uses this node's own Origin-Host".to_owned()));
    }
    match config {
        Some(config) => may_be(config, end, cer.origin_host, cer.origin_realm).map_err(unknown)?,
        None if node.accept_unknown_peers => {}
        None => {
            return Err(unknown(format!("{:?} is not among the configured peers", cer.origin_host)));
        }
    }
    common(node, &cer)?;
    if !cer.inband_security_ids.is_empty() && !cer.inband_security_ids.contains(&NO_INBAND_SECURITY) {
        return Err(Refused::new(
            ResultCode::NO_COMMON_SECURITY,
            "the peer wants inband security; TLS is spoken from the first octet here".to_owned(),
        ));
    }
    Ok(PeerInfo {
        identity: config.map_or_else(|| cer.origin_host.to_owned(), |c| c.identity.clone()),
        realm: cer.origin_realm.to_owned(),
        address: end.remote,
        transport: end.kind,
        product_name: shortened(&cer.product_name),
        vendor_id: cer.vendor_id,
        origin_state_id: cer.origin_state_id,
        relay: cer.supports(RELAY),
        since: SystemTime::now(),
        connection: end.connection,
    })
}

/// Whether a CEA is acceptable from the peer we have connected to.
pub(super) fn check_answer(
    node: &NodeConfig,
    end: &End,
    message: &Message<'_>,
    config: &PeerConfig,
) -> Result<PeerInfo, Refused> {
    // An answer with an error need not hold more than its Result-Code (§7.2).
    if let Some(code) = message.find(&RESULT_CODE).and_then(|avp| avp.u32().ok())
        && !ResultCode(code).is_success()
    {
        let code = ResultCode(code);
        return Err(Refused::new(code, why_refused_by_peer(message, code)));
    }
    let cea = PeerCapabilities::read(message)?;
    if cea.result_code.is_none() {
        return Err(missing(&RESULT_CODE).into());
    }
    let unknown = |why: String| Refused::new(ResultCode::UNKNOWN_PEER, why);
    if !cea.origin_host.eq_ignore_ascii_case(&config.identity) {
        return Err(unknown(format!(
            "the peer calls itself {:?}, but is configured as {:?}",
            cea.origin_host, config.identity
        )));
    }
    may_be(config, end, cea.origin_host, cea.origin_realm).map_err(unknown)?;
    common(node, &cea)?;
    Ok(PeerInfo {
        identity: config.identity.clone(),
        realm: cea.origin_realm.to_owned(),
        address: end.remote,
        transport: end.kind,
        product_name: shortened(&cea.product_name),
        vendor_id: cea.vendor_id,
        origin_state_id: cea.origin_state_id,
        relay: cea.supports(RELAY),
        since: SystemTime::now(),
        connection: end.connection,
    })
}

/// Whether the other end may be this peer: realm, source address, certificate (RFC 6733 §5.3, §13.1).
fn may_be(config: &PeerConfig, end: &End, host: &str, realm: &str) -> Result<(), String> {
    if let Some(expected) = &config.realm
        && !realm.eq_ignore_ascii_case(expected)
    {
        return Err(format!("{host:?} is of realm {realm:?}, but is configured with {expected:?}"));
    }
    if !config.addresses.is_empty()
        && let Some(remote) = end.remote
        && !config.addresses.iter().any(|a| a.to_canonical() == remote.ip().to_canonical())
    {
        return Err(format!(
            "{host:?} comes from {}, which is none of its configured addresses",
            remote.ip()
        ));
    }
    certificate::certificate_is_of(config, end.kind, end.certificate.as_deref())
        .map_err(|why| format!("{host:?} {why}"))
}

/// What a CEA with this error says, for the log.
fn why_refused_by_peer(cea: &Message<'_>, code: ResultCode) -> String {
    let mut why = format!("the peer refuses this node with {code}");
    if let Some(text) = cea.find(&ERROR_MESSAGE) {
        why.push_str(&format!(", {:?}", shortened(&String::from_utf8_lossy(text.data))));
    }
    let failed = cea.find(&FAILED_AVP).and_then(|group| Avps::new(group.data).next()?.ok());
    if let Some(avp) = failed.and_then(|avp| avp.error(code, "").avp()) {
        why.push_str(&format!(", because of {avp}"));
    }
    if code == ResultCode::ELECTION_LOST {
        why.push_str("; it keeps another connection of this node, or another node has this node's identity");
    }
    if code == ResultCode::UNKNOWN_PEER {
        why.push_str("; this node's Origin-Host has to be among its peers");
    }
    why
}

/// RFC 6733 §5.3: at least one application in common, else 5010. A relay has all in common (§2.4).
fn common(node: &NodeConfig, peer: &PeerCapabilities<'_>) -> Result<(), Refused> {
    if node.applications.iter().any(|a| a.id == RELAY || peer.supports(a.id)) {
        return Ok(());
    }
    let ours = node.applications.iter().map(|a| a.id.to_string()).collect::<Vec<_>>().join(", ");
    let offered = match (numbers(&peer.auth_applications), numbers(&peer.acct_applications)) {
        (auth, acct) if auth.is_empty() && acct.is_empty() => "no application".to_owned(),
        (auth, acct) if acct.is_empty() => format!("the applications {auth}"),
        (auth, acct) if auth.is_empty() => format!("the applications {acct} for accounting"),
        (auth, acct) => format!("the applications {auth}, and {acct} for accounting"),
    };
    Err(Refused::new(
        ResultCode::NO_COMMON_APPLICATION,
        format!("the peer offers {offered}, and not this node's: {ours}"),
    ))
}

/// The first of these numbers, for the log: a peer could write very many.
fn numbers(ids: &[u32]) -> String {
    const MOST: usize = 20;
    let mut text = ids.iter().take(MOST).map(u32::to_string).collect::<Vec<_>>().join(", ");
    if ids.len() > MOST {
        text.push_str(", …");
    }
    text
}
