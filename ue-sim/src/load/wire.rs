//! What the load run puts on the wire and reads from it.
//!
//! A request is a template that is copied and patched: the two identifiers, the end of the Session-Id,
//! the User-Name and, where there is one, the Re-Synchronization-Info all have fixed places.

mod answer;

pub(super) use answer::{Outcome, Vector, check_capabilities, outcome, vectors};

use std::net::IpAddr;

use s6a::codec::avp::MAX_DEPTH;
use s6a::codec::dictionary::{VENDOR_3GPP, base, s6a as avp};
use s6a::codec::{AvpDef, CommandFlags, HEADER_LEN, Header, Message, ResultCode, Writer};

use super::LoadConfig;

/// S6a/S6d, TS 29.272 §7.1.8.
pub(super) const S6A: u32 = 16_777_251;

/// Command codes: RFC 6733 §3.1 and TS 29.272 §7.2.2.
pub(super) mod command {
    pub(crate) const CAPABILITIES_EXCHANGE: u32 = 257;
    pub(crate) const DEVICE_WATCHDOG: u32 = 280;
    pub(crate) const DISCONNECT_PEER: u32 = 282;
    pub(crate) const UPDATE_LOCATION: u32 = 316;
    pub(crate) const CANCEL_LOCATION: u32 = 317;
    pub(crate) const AUTHENTICATION_INFORMATION: u32 = 318;
    pub(crate) const INSERT_SUBSCRIBER_DATA: u32 = 319;
    pub(crate) const DELETE_SUBSCRIBER_DATA: u32 = 320;
    pub(crate) const RESET: u32 = 322;
}

/// Digits of the changing part of a Session-Id: 32 bits in decimal (RFC 6733 §8.8).
const SESSION_DIGITS: usize = 10;

/// Octets of Re-Synchronization-Info: RAND (16) ‖ AUTS (14), TS 29.272 §7.3.15.
const RESYNC: usize = 30;

/// A request but for what changes.
#[derive(Debug)]
pub(super) struct Template {
    octets: Vec<u8>,
    session: usize,
    user: usize,
    resync: Option<usize>,
}

impl Template {
    /// Appends the request.
    #[inline]
    pub(super) fn append(&self, out: &mut Vec<u8>, ids: Ids, imsi: &[u8], resync: Option<&[u8; RESYNC]>) {
        let start = out.len();
        out.extend_from_slice(&self.octets);
        let message = &mut out[start..];
        message[12..16].copy_from_slice(&ids.hop_by_hop.to_be_bytes());
        message[16..20].copy_from_slice(&ids.end_to_end.to_be_bytes());
        decimal(&mut message[self.session..self.session + SESSION_DIGITS], ids.session);
        message[self.user..self.user + imsi.len()].copy_from_slice(imsi);
        if let (Some(at), Some(info)) = (self.resync, resync) {
            message[at..at + RESYNC].copy_from_slice(info);
        }
    }
}

/// What tells one request from another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ids {
    pub(super) hop_by_hop: u32,
    pub(super) end_to_end: u32,
    pub(super) session: u32,
}

/// `value` in decimal with leading zeros, over all of `out`.
#[inline]
fn decimal(out: &mut [u8], mut value: u32) {
    for digit in out.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// Makes the templates, and the few messages of the base protocol.
#[derive(Debug)]
pub(super) struct Wire {
    origin_host: String,
    origin_realm: String,
    session_prefix: String,
    /// By the number of digits of the IMSI, 0 to 15; made for those that occur.
    air: [Option<Template>; 16],
    resync: [Option<Template>; 16],
    ulr: [Option<Template>; 16],
}

impl Wire {
    /// For connection `n` and IMSIs of these `digits`. `started` goes into the Session-Ids as their high 32
    /// bits, which RFC 6733 §8.8 suggests to take from the clock.
    pub(super) fn new(
        config: &LoadConfig,
        n: usize,
        started: u32,
        digits: impl Iterator<Item = usize>,
    ) -> Self {
        let origin_host = config.origin_host_of(n);
        let mut wire = Self {
            session_prefix: format!("{origin_host};{started:0SESSION_DIGITS$};"),
            origin_host,
            origin_realm: config.origin_realm.clone(),
            air: Default::default(),
            resync: Default::default(),
            ulr: Default::default(),
        };
        for digits in digits.map(|d| d.min(15)) {
            if wire.air[digits].is_none() {
                wire.air[digits] = Some(wire.authentication_information(config, digits, false));
                wire.resync[digits] = Some(wire.authentication_information(config, digits, true));
                wire.ulr[digits] = Some(wire.update_location(config, digits));
            }
        }
        wire
    }

    pub(super) fn air(&self, digits: usize) -> Option<&Template> {
        self.air.get(digits)?.as_ref()
    }

    pub(super) fn resync(&self, digits: usize) -> Option<&Template> {
        self.resync.get(digits)?.as_ref()
    }

    pub(super) fn ulr(&self, digits: usize) -> Option<&Template> {
        self.ulr.get(digits)?.as_ref()
    }

    /// AIR, TS 29.272 §7.2.5.
    fn authentication_information(&self, config: &LoadConfig, digits: usize, resync: bool) -> Template {
        self.template(config, command::AUTHENTICATION_INFORMATION, digits, |w| {
            w.group(&avp::REQUESTED_EUTRAN_AUTHENTICATION_INFO, |w| {
                w.u32(&avp::NUMBER_OF_REQUESTED_VECTORS, config.vectors);
                w.u32(&avp::IMMEDIATE_RESPONSE_PREFERRED, 1);
                if resync {
                    w.octets(&avp::RE_SYNCHRONIZATION_INFO, &[0; RESYNC]);
                }
            });
            w.octets(&avp::VISITED_PLMN_ID, &config.visited_plmn.octets());
        })
    }

    /// ULR, TS 29.272 §7.2.3, as an MME sends it at an initial attach; Terminal-Information is optional and
    /// left out.
    fn update_location(&self, config: &LoadConfig, digits: usize) -> Template {
        self.template(config, command::UPDATE_LOCATION, digits, |w| {
            // E-UTRAN, TS 29.212 §5.3.31.
            w.u32(&avp::RAT_TYPE, 1004);
            // S6a/S6d-Indicator and Initial-Attach-Indicator, TS 29.272 §7.3.7.
            w.u32(&avp::ULR_FLAGS, 0x22);
            // UE-SRVCC-NOT-SUPPORTED, TS 29.272 §7.3.130.
            w.u32(&avp::UE_SRVCC_CAPABILITY, 0);
            w.octets(&avp::VISITED_PLMN_ID, &config.visited_plmn.octets());
        })
    }

    fn template(
        &self,
        config: &LoadConfig,
        code: u32,
        digits: usize,
        rest: impl FnOnce(&mut Writer<'_>),
    ) -> Template {
        let mut octets = Vec::new();
        let header = request(code, S6A, true);
        let mut w = Writer::new(&mut octets, &header);
        w.str(&base::SESSION_ID, &format!("{}{:0SESSION_DIGITS$}", self.session_prefix, 0));
        w.group(&base::VENDOR_SPECIFIC_APPLICATION_ID, |w| {
            w.u32(&base::VENDOR_ID, VENDOR_3GPP);
            w.u32(&base::AUTH_APPLICATION_ID, S6A);
        });
        // NO_STATE_MAINTAINED, TS 29.272 §7.1.4.
        w.u32(&base::AUTH_SESSION_STATE, 1);
        self.origin(&mut w);
        if let Some(host) = &config.destination_host {
            w.str(&base::DESTINATION_HOST, host);
        }
        w.str(&base::DESTINATION_REALM, &config.destination_realm);
        w.str(&base::USER_NAME, &"0".repeat(digits));
        rest(&mut w);
        w.finish();
        let place = |def: &AvpDef| find(&octets[HEADER_LEN..], def, MAX_DEPTH).map(|at| at + HEADER_LEN);
        let session = place(&base::SESSION_ID).unwrap_or_default() + self.session_prefix.len();
        let user = place(&base::USER_NAME).unwrap_or_default();
        let resync = place(&avp::RE_SYNCHRONIZATION_INFO);
        Template { octets, session, user, resync }
    }

    fn origin(&self, w: &mut Writer<'_>) {
        w.str(&base::ORIGIN_HOST, &self.origin_host);
        w.str(&base::ORIGIN_REALM, &self.origin_realm);
    }

    /// CER, RFC 6733 §5.3.1.
    pub(super) fn capabilities(&self, out: &mut Vec<u8>, address: IpAddr) {
        let mut w = Writer::new(out, &request(command::CAPABILITIES_EXCHANGE, 0, false));
        self.origin(&mut w);
        w.address(&base::HOST_IP_ADDRESS, address);
        w.u32(&base::VENDOR_ID, 0);
        w.str(&base::PRODUCT_NAME, "Callhome UE simulator");
        w.u32(&base::SUPPORTED_VENDOR_ID, VENDOR_3GPP);
        w.group(&base::VENDOR_SPECIFIC_APPLICATION_ID, |w| {
            w.u32(&base::VENDOR_ID, VENDOR_3GPP);
            w.u32(&base::AUTH_APPLICATION_ID, S6A);
        });
        w.finish();
    }

    /// DPR, RFC 6733 §5.4.1, with DO_NOT_WANT_TO_TALK_TO_YOU (§5.4.3): we are not coming back.
    pub(super) fn disconnect(&self, out: &mut Vec<u8>) {
        let mut w = Writer::new(out, &request(command::DISCONNECT_PEER, 0, false));
        self.origin(&mut w);
        w.u32(&base::DISCONNECT_CAUSE, 2);
        w.finish();
    }

    /// The answer of an MME that agrees to everything: DWA, DPA, CLA, IDA, DSA, RSA; 3001 with the E bit for
    /// a command that an MME does not know (RFC 6733 §7.1.3).
    pub(super) fn answer(&self, out: &mut Vec<u8>, message: &Message<'_>) {
        let known = match message.header.application {
            0 => matches!(message.header.command, command::DEVICE_WATCHDOG | command::DISCONNECT_PEER),
            _ => matches!(
                message.header.command,
                command::CANCEL_LOCATION
                    | command::INSERT_SUBSCRIBER_DATA
                    | command::DELETE_SUBSCRIBER_DATA
                    | command::RESET
            ),
        };
        let mut header = message.header.answer();
        if !known {
            header.flags = header.flags.with(CommandFlags::ERROR);
        }
        let echo = |w: &mut Writer<'_>, def: &AvpDef| {
            for avp in message.avps().flatten().filter(|avp| avp.is(def)) {
                w.raw(avp.raw);
            }
        };
        let mut w = Writer::new(out, &header);
        echo(&mut w, &base::SESSION_ID);
        w.u32(
            &base::RESULT_CODE,
            if known { ResultCode::SUCCESS } else { ResultCode::COMMAND_UNSUPPORTED }.0,
        );
        if message.header.application != 0 && known {
            w.u32(&base::AUTH_SESSION_STATE, 1);
        }
        self.origin(&mut w);
        echo(&mut w, &base::PROXY_INFO);
        w.finish();
    }
}

fn request(command: u32, application: u32, proxiable: bool) -> Header {
    let flags =
        if proxiable { CommandFlags::REQUEST.with(CommandFlags::PROXIABLE) } else { CommandFlags::REQUEST };
    Header { length: 0, flags, command, application, hop_by_hop: 0, end_to_end: 0 }
}

/// Where the data of the first such AVP starts in `octets`, in groups too.
fn find(octets: &[u8], def: &AvpDef, depth: u8) -> Option<usize> {
    let mut at = 0;
    for one in s6a::codec::Avps::new(octets).flatten() {
        let data = if one.vendor == 0 { 8 } else { 12 };
        if one.is(def) {
            return Some(at + data);
        }
        let grouped = one.is(&avp::REQUESTED_EUTRAN_AUTHENTICATION_INFO);
        if grouped
            && depth > 0
            && let Some(inside) = find(one.data, def, depth - 1)
        {
            return Some(at + data + inside);
        }
        at += one.raw.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire() -> (LoadConfig, Wire) {
        let config = LoadConfig {
            origin_host: "mme-{number}.localdomain".into(),
            ..LoadConfig::new(([127, 0, 0, 1], 1).into(), "999-71".parse().unwrap())
        };
        let wire = Wire::new(&config, 1, 7, [15, 14].into_iter());
        (config, wire)
    }

    const IDS: Ids = Ids { hop_by_hop: 0x0102_0304, end_to_end: 0x0506_0708, session: 42 };

    #[test]
    fn a_patched_template_is_the_request() {
        let (_, wire) = wire();
        for (template, imsi, command) in [
            (wire.air(15), "999710000000001", command::AUTHENTICATION_INFORMATION),
            (wire.air(14), "99971000000001", command::AUTHENTICATION_INFORMATION),
            (wire.ulr(15), "999710000000009", command::UPDATE_LOCATION),
        ] {
            let mut out = vec![0xaa];
            template.unwrap().append(&mut out, IDS, imsi.as_bytes(), None);
            let message = Message::parse(&out[1..]).unwrap();
            assert_eq!((message.header.command, message.header.application), (command, S6A));
            assert_eq!((message.header.hop_by_hop, message.header.end_to_end), (0x0102_0304, 0x0506_0708));
            let avps: Vec<_> = message.avps().map(Result::unwrap).collect();
            assert_eq!(avps[0].str().unwrap(), "mme-2.localdomain;0000000007;0000000042");
            let user = avps.iter().find(|avp| avp.is(&base::USER_NAME)).unwrap();
            assert_eq!(user.str().unwrap(), imsi);
        }
        assert!(wire.air(13).is_none());
    }

    #[test]
    fn re_synchronization_info_is_exactly_30_octets_of_rand_and_auts() {
        let (_, wire) = wire();
        let info: [u8; 30] = std::array::from_fn(|at| at as u8);
        let mut out = Vec::new();
        wire.resync(15).unwrap().append(&mut out, IDS, b"999710000000001", Some(&info));
        let message = Message::parse(&out).unwrap();
        let group =
            message.avps().flatten().find(|a| a.is(&avp::REQUESTED_EUTRAN_AUTHENTICATION_INFO)).unwrap();
        let inside: Vec<_> = group.group(MAX_DEPTH).unwrap().map(Result::unwrap).collect();
        let resync = inside.iter().find(|a| a.is(&avp::RE_SYNCHRONIZATION_INFO)).unwrap();
        assert_eq!(resync.data, info);
    }

    #[test]
    fn an_unknown_request_of_the_server_gets_3001_with_the_e_bit() {
        let (_, wire) = wire();
        let mut asked = Vec::new();
        Writer::new(&mut asked, &request(999, S6A, true)).finish();
        let mut out = Vec::new();
        wire.answer(&mut out, &Message::parse(&asked).unwrap());
        let answer = Message::parse(&out).unwrap();
        assert!(answer.header.flags.has(CommandFlags::ERROR) && !answer.header.is_request());
        assert_eq!(outcome(&answer).unwrap(), Outcome::Base(3001));
    }
}
