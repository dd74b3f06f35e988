//! Grouped AVPs of RFC 6733 that commands share.

use crate::codec::{
    Avp, AvpDef, Avps, DecodeError, Member, RawAvp, Repeated, Value, Writer,
    dictionary::{VENDOR_3GPP, base::*},
    grammar::{entries, group, missing, take_one_value},
};

entries! {
    [
        /// RFC 6733 §6.11. The grammar allows one of the two application ids.
        ///
        /// It is written as RFC 6733 has it. Read is also what RFC 3588 §6.11 allowed and peers of that time send:
        /// several Vendor-Ids (3GPP's counts if it is among them, else the first), and an application id that is
        /// repeated. The application id alone says which application it is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        [VendorSpecificApplicationId]
    ] []
    { vendor_id: u32 = VENDOR_ID }
    [ auth_application_id: u32 = AUTH_APPLICATION_ID ]
    [ acct_application_id: u32 = ACCT_APPLICATION_ID ]
}

impl<'a> Value<'a> for VendorSpecificApplicationId {
    const MEMBERS: &'static [Member] = Self::MEMBERS;

    fn read(avp: &Avp<'a>, depth: u8) -> Result<Self, DecodeError> {
        avp.enter(depth)?;
        // Nearly always it is as RFC 6733 has it.
        Self::read_avps(avp.data, depth - 1)
            .or_else(|_| Self::read_as_rfc_3588(avp.data))
            .map_err(|error| error.inside(avp))
    }

    fn write(&self, def: &AvpDef, writer: &mut Writer<'_>) {
        writer.group(def, |writer| self.write_avps(writer));
    }
}

impl VendorSpecificApplicationId {
    fn read_as_rfc_3588(octets: &[u8]) -> Result<Self, DecodeError> {
        let (mut vendor_id, mut auth, mut acct) = (None, None, None);
        for avp in Avps::new(octets) {
            let avp = avp?;
            avp.check_bits()?;
            if avp.is(&VENDOR_ID) {
                let id = avp.u32()?;
                if vendor_id.is_none() || id == VENDOR_3GPP {
                    vendor_id = Some(id);
                }
            } else if avp.is(&AUTH_APPLICATION_ID) {
                take_one_value(&mut auth, &avp)?;
            } else if avp.is(&ACCT_APPLICATION_ID) {
                take_one_value(&mut acct, &avp)?;
            } else {
                avp.skip()?;
            }
        }
        Ok(Self {
            vendor_id: vendor_id.ok_or_else(|| missing(&VENDOR_ID))?,
            auth_application_id: auth,
            acct_application_id: acct,
        })
    }
}

group! {
    /// RFC 6733 §6.7.2. Commands carry it as [`RawAvp`], because it is echoed as it came; this reads one.
    #[derive(Debug)]
    pub struct ProxyInfo<'a> ::=
        { proxy_host: &'a str = PROXY_HOST }
        { proxy_state: &'a [u8] = PROXY_STATE }
}

/// Failed-AVP, RFC 6733 §7.5: `1* { AVP }`, any AVPs, as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FailedAvp<'a> {
    /// The offending AVPs, encoded.
    pub octets: &'a [u8],
}

impl<'a> FailedAvp<'a> {
    /// The offending AVPs, as far as they are well-formed.
    #[must_use]
    pub fn avps(&self) -> Avps<'a> {
        Avps::new(self.octets)
    }
}

impl<'a> crate::codec::Value<'a> for FailedAvp<'a> {
    fn read(avp: &crate::codec::Avp<'a>, _: u8) -> Result<Self, crate::codec::DecodeError> {
        Ok(Self { octets: avp.data })
    }

    fn write(&self, def: &crate::codec::AvpDef, writer: &mut crate::codec::Writer<'_>) {
        writer.octets(def, self.octets);
    }
}

/// Proxy-Info as commands carry it (RFC 6733 §6.2: echoed in the same order).
pub type ProxyInfos<'a> = Repeated<'a, RawAvp<'a>>;
