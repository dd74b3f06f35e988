//! What a CER or CEA says about its sender, read liberally.
//!
//! [`CapabilitiesExchangeRequest`](super::CapabilitiesExchangeRequest) and its answer are the grammar that we send. A peer
//! that is refused here can do nothing at all, so this reader takes what older and careless peers send as long as nothing
//! about it is ambiguous: Host-IP-Addresses of any family, a Product-Name that is no UTF-8, AVPs that are repeated with
//! the same value, the P bit in the header, and Vendor-Specific-Application-Id as RFC 3588 §6.11 had it. What a
//! specification requires is still required (5005), and an unknown AVP with the M bit still refused (5001).

use std::borrow::Cow;

use crate::codec::{
    Avp, AvpDef, Avps, CommandFlags, DecodeError, Message, ResultCode,
    avp::MAX_DEPTH,
    dictionary::base::*,
    grammar::{missing, take_one_value},
};

use super::{CapabilitiesExchangeRequest, RELAY};

/// A peer as its CER or CEA describes it (RFC 6733 §5.3).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PeerCapabilities<'a> {
    /// Result-Code; of a CEA.
    pub result_code: Option<ResultCode>,
    /// Origin-Host.
    pub origin_host: &'a str,
    /// Origin-Realm.
    pub origin_realm: &'a str,
    /// Vendor-Id of the implementation; the first one.
    pub vendor_id: u32,
    /// Product-Name; the first one.
    pub product_name: Cow<'a, str>,
    /// Origin-State-Id.
    pub origin_state_id: Option<u32>,
    /// Inband-Security-Id, as often as it occurs.
    pub inband_security_ids: Vec<u32>,
    /// Auth-Application-Ids, alone or in Vendor-Specific-Application-Id.
    pub auth_applications: Vec<u32>,
    /// Acct-Application-Ids, alone or in Vendor-Specific-Application-Id.
    pub acct_applications: Vec<u32>,
}

/// Longest Origin-Host and Origin-Realm, in octets: a DiameterIdentity is a domain name (RFC 6733 §4.3.1, RFC 1035 §2.3.4).
const LONGEST_IDENTITY: usize = 255;

impl<'a> PeerCapabilities<'a> {
    /// Reads a CER or CEA.
    ///
    /// # Errors
    /// 3001 or 3007 for another command, 3008 for a request with the E bit; for its AVPs 5001, 5004, 5005, 5009, 5014 or
    /// 3009 with Failed-AVP (RFC 6733 §7.1.3, §7.1.5).
    pub fn read(message: &Message<'a>) -> Result<Self, DecodeError> {
        let header = &message.header;
        // The P bit does no harm where nothing is passed on.
        let flags = if header.is_request() {
            CommandFlags::REQUEST.with(CommandFlags::PROXIABLE)
        } else {
            CommandFlags::PROXIABLE
        };
        let flags = CommandFlags(header.flags.0 & flags.0);
        header.expect(CapabilitiesExchangeRequest::CODE, CapabilitiesExchangeRequest::APPLICATION, flags)?;
        let mut read = Self::default();
        let (mut host, mut realm, mut product) = (None, None, None);
        let (mut vendor, mut has_address) = (None, false);
        for avp in message.avps() {
            let avp = avp?;
            avp.check_bits()?;
            match avp.code {
                _ if avp.vendor != 0 => avp.skip()?,
                c if c == RESULT_CODE.code => {
                    read.result_code.get_or_insert(ResultCode(avp.u32()?));
                }
                c if c == ORIGIN_HOST.code => take_identity(&mut host, &avp)?,
                c if c == ORIGIN_REALM.code => take_identity(&mut realm, &avp)?,
                // Told for people: nothing is connected to by it.
                c if c == HOST_IP_ADDRESS.code => has_address = true,
                c if c == VENDOR_ID.code => {
                    vendor.get_or_insert(avp.u32()?);
                }
                c if c == PRODUCT_NAME.code => {
                    product.get_or_insert_with(|| String::from_utf8_lossy(avp.data));
                }
                c if c == ORIGIN_STATE_ID.code => take_one_value(&mut read.origin_state_id, &avp)?,
                c if c == INBAND_SECURITY_ID.code => read.inband_security_ids.push(avp.u32()?),
                c if c == AUTH_APPLICATION_ID.code => read.auth_applications.push(avp.u32()?),
                c if c == ACCT_APPLICATION_ID.code => read.acct_applications.push(avp.u32()?),
                c if c == VENDOR_SPECIFIC_APPLICATION_ID.code => read.vendor_specific(&avp)?,
                // Supported-Vendor-Id, Firmware-Revision, Error-Message and the like are not used.
                _ => avp.skip()?,
            }
        }
        fn required<T>(value: Option<T>, def: &AvpDef) -> Result<T, DecodeError> {
            value.ok_or_else(|| missing(def))
        }
        read.origin_host = required(host, &ORIGIN_HOST)?;
        read.origin_realm = required(realm, &ORIGIN_REALM)?;
        required(has_address.then_some(()), &HOST_IP_ADDRESS)?;
        read.vendor_id = required(vendor, &VENDOR_ID)?;
        read.product_name = required(product, &PRODUCT_NAME)?;
        Ok(read)
    }

    /// Vendor-Specific-Application-Id: whatever its Vendor-Ids, the application ids are what counts (RFC 6733 §6.11,
    /// RFC 3588 §6.11).
    fn vendor_specific(&mut self, group: &Avp<'_>) -> Result<(), DecodeError> {
        group.enter(MAX_DEPTH)?;
        let mut members = || -> Result<(), DecodeError> {
            for avp in Avps::new(group.data) {
                let avp = avp?;
                avp.check_bits()?;
                if avp.is(&AUTH_APPLICATION_ID) {
                    self.auth_applications.push(avp.u32()?);
                } else if avp.is(&ACCT_APPLICATION_ID) {
                    self.acct_applications.push(avp.u32()?);
                } else {
                    avp.skip()?;
                }
            }
            Ok(())
        };
        members().map_err(|error| error.inside(group))
    }

    /// Whether the peer can take part in this authentication application, by naming it or by being a relay
    /// (RFC 6733 §5.3, §2.4).
    #[must_use]
    pub fn supports(&self, application: u32) -> bool {
        self.auth_applications.iter().any(|id| *id == application || *id == RELAY)
    }
}

/// An identity that may be repeated, but not with another value.
fn take_identity<'a>(slot: &mut Option<&'a str>, avp: &Avp<'a>) -> Result<(), DecodeError> {
    let identity = avp.str()?;
    if identity.len() > LONGEST_IDENTITY {
        return Err(avp.error(ResultCode::INVALID_AVP_VALUE, "an identity is longer than 255 octets"));
    }
    if slot.is_some_and(|before| !before.eq_ignore_ascii_case(identity)) {
        let what = "an AVP occurs more than once, with different values";
        return Err(avp.error(ResultCode::AVP_OCCURS_TOO_MANY_TIMES, what));
    }
    slot.get_or_insert(identity);
    Ok(())
}
