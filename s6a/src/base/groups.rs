//! Grouped AVPs of RFC 6733 that commands share.

use crate::codec::{Avps, RawAvp, Repeated, dictionary::base::*, grammar::group};

group! {
    /// RFC 6733 §6.11. The grammar allows one of the two application ids.
    #[derive(Debug)]
    pub struct VendorSpecificApplicationId ::=
        { vendor_id: u32 = VENDOR_ID }
        [ auth_application_id: u32 = AUTH_APPLICATION_ID ]
        [ acct_application_id: u32 = ACCT_APPLICATION_ID ]
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
