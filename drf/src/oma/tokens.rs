//! Tokens of ProvCont §7 (tags §7.1, attribute starts §7.2, attribute values §7.3): WAP-183 §8 with what OMA has added.

/// Public identifier of the DTD in WBXML (WAP-192 §7.2).
pub(super) const PUBLIC_ID: u32 = 0x0b;
/// The same as text.
pub(super) const PUBLIC_ID_TEXT: &str = "-//WAPFORUM//DTD PROV 1.0//EN";
/// MIBenum of UTF-8, the charset of every document (ProvCont, character set).
pub(super) const UTF_8: u32 = 0x6a;
/// Code pages that there are: 0 is WAP-183's, 1 has what belongs to applications.
pub(super) const PAGES: u8 = 2;

/// Tokens that mean the same in every code page (WAP-192 §7.1).
pub(super) mod global {
    pub const SWITCH_PAGE: u8 = 0x00;
    pub const END: u8 = 0x01;
    pub const ENTITY: u8 = 0x02;
    pub const STR_I: u8 = 0x03;
    pub const LITERAL: u8 = 0x04;
    pub const STR_T: u8 = 0x83;
    /// Bits of a tag (WAP-192 §5.8.2): attributes follow; content follows.
    pub const ATTRIBUTES: u8 = 0x80;
    pub const CONTENT: u8 = 0x40;
}

/// Tags (ProvCont §7.1). Code page 1 repeats the second and the third.
pub(super) mod tag {
    pub const DOCUMENT: u8 = 0x05;
    pub const CHARACTERISTIC: u8 = 0x06;
    pub const PARM: u8 = 0x07;
}

/// The attributes of the DTD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attribute {
    Version,
    Type,
    Name,
    Value,
}

impl Attribute {
    pub const ALL: [Self; 4] = [Self::Version, Self::Type, Self::Name, Self::Value];

    pub const fn text(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Type => "type",
            Self::Name => "name",
            Self::Value => "value",
        }
    }
}

/// The attribute start token that says an attribute and its whole value: code page and token.
pub(super) fn start_of(attribute: Attribute, value: &str, page: u8) -> Option<(u8, u8)> {
    let fits = |of: u8| {
        let (_, token, _, _) =
            STARTS.iter().find(|(p, _, a, v)| *p == of && *a == attribute && *v == value)?;
        Some((of, *token))
    };
    // A token of another page costs two octets more, for the switch.
    fits(page).or_else(|| (0..PAGES).find_map(fits))
}

/// The attribute start token without a value: code page, current where it can be, and token.
pub(super) const fn bare_start(attribute: Attribute, page: u8) -> (u8, u8) {
    match attribute {
        Attribute::Version => (0, 0x45),
        Attribute::Type => (page, 0x50),
        Attribute::Name => (page, 0x05),
        Attribute::Value => (page, 0x06),
    }
}

/// What an attribute start token says: the attribute, and the beginning of its value.
pub(super) fn start(page: u8, token: u8) -> Option<(Attribute, &'static str)> {
    if let Some(attribute) = Attribute::ALL.into_iter().find(|a| bare_start(*a, page) == (page, token)) {
        return Some((attribute, ""));
    }
    let (_, _, attribute, value) = STARTS.iter().find(|(p, t, _, _)| (*p, *t) == (page, token))?;
    Some((*attribute, value))
}

/// The attribute value token of this code page.
pub(super) fn value_of(text: &str, page: u8) -> Option<u8> {
    VALUES.iter().find(|(p, _, v)| *p == page && *v == text).map(|(_, token, _)| *token)
}

/// What an attribute value token says.
pub(super) fn value(page: u8, token: u8) -> Option<&'static str> {
    VALUES.iter().find(|(p, t, _)| (*p, *t) == (page, token)).map(|(_, _, value)| *value)
}

/// Attribute starts with a value: code page, token, attribute, value (ProvCont §7.2).
#[rustfmt::skip]
const STARTS: &[(u8, u8, Attribute, &str)] = &[
    (0, 0x46, Attribute::Version, "1.0"),
    (0, 0x51, Attribute::Type, "PXLOGICAL"),
    (0, 0x52, Attribute::Type, "PXPHYSICAL"),
    (0, 0x53, Attribute::Type, "PORT"),
    (0, 0x54, Attribute::Type, "VALIDITY"),
    (0, 0x55, Attribute::Type, "NAPDEF"),
    (0, 0x56, Attribute::Type, "BOOTSTRAP"),
    (0, 0x57, Attribute::Type, "VENDORCONFIG"),
    (0, 0x58, Attribute::Type, "CLIENTIDENTITY"),
    (0, 0x59, Attribute::Type, "PXAUTHINFO"),
    (0, 0x5a, Attribute::Type, "NAPAUTHINFO"),
    (0, 0x5b, Attribute::Type, "ACCESS"),
    (0, 0x07, Attribute::Name, "NAME"),
    (0, 0x08, Attribute::Name, "NAP-ADDRESS"),
    (0, 0x09, Attribute::Name, "NAP-ADDRTYPE"),
    (0, 0x0a, Attribute::Name, "CALLTYPE"),
    (0, 0x0b, Attribute::Name, "VALIDUNTIL"),
    (0, 0x0c, Attribute::Name, "AUTHTYPE"),
    (0, 0x0d, Attribute::Name, "AUTHNAME"),
    (0, 0x0e, Attribute::Name, "AUTHSECRET"),
    (0, 0x0f, Attribute::Name, "LINGER"),
    (0, 0x10, Attribute::Name, "BEARER"),
    (0, 0x11, Attribute::Name, "NAPID"),
    (0, 0x12, Attribute::Name, "COUNTRY"),
    (0, 0x13, Attribute::Name, "NETWORK"),
    (0, 0x14, Attribute::Name, "INTERNET"),
    (0, 0x15, Attribute::Name, "PROXY-ID"),
    (0, 0x16, Attribute::Name, "PROXY-PROVIDER-ID"),
    (0, 0x17, Attribute::Name, "DOMAIN"),
    (0, 0x18, Attribute::Name, "PROVURL"),
    (0, 0x19, Attribute::Name, "PXAUTH-TYPE"),
    (0, 0x1a, Attribute::Name, "PXAUTH-ID"),
    (0, 0x1b, Attribute::Name, "PXAUTH-PW"),
    (0, 0x1c, Attribute::Name, "STARTPAGE"),
    (0, 0x1d, Attribute::Name, "BASAUTH-ID"),
    (0, 0x1e, Attribute::Name, "BASAUTH-PW"),
    (0, 0x1f, Attribute::Name, "PUSHENABLED"),
    (0, 0x20, Attribute::Name, "PXADDR"),
    (0, 0x21, Attribute::Name, "PXADDRTYPE"),
    (0, 0x22, Attribute::Name, "TO-NAPID"),
    (0, 0x23, Attribute::Name, "PORTNBR"),
    (0, 0x24, Attribute::Name, "SERVICE"),
    (0, 0x25, Attribute::Name, "LINKSPEED"),
    (0, 0x26, Attribute::Name, "DNLINKSPEED"),
    (0, 0x27, Attribute::Name, "LOCAL-ADDR"),
    (0, 0x28, Attribute::Name, "LOCAL-ADDRTYPE"),
    (0, 0x29, Attribute::Name, "CONTEXT-ALLOW"),
    (0, 0x2a, Attribute::Name, "TRUST"),
    (0, 0x2b, Attribute::Name, "MASTER"),
    (0, 0x2c, Attribute::Name, "SID"),
    (0, 0x2d, Attribute::Name, "SOC"),
    (0, 0x2e, Attribute::Name, "WSP-VERSION"),
    (0, 0x2f, Attribute::Name, "PHYSICAL-PROXY-ID"),
    (0, 0x30, Attribute::Name, "CLIENT-ID"),
    (0, 0x31, Attribute::Name, "DELIVERY-ERR-SDU"),
    (0, 0x32, Attribute::Name, "DELIVERY-ORDER"),
    (0, 0x33, Attribute::Name, "TRAFFIC-CLASS"),
    (0, 0x34, Attribute::Name, "MAX-SDU-SIZE"),
    (0, 0x35, Attribute::Name, "MAX-BITRATE-UPLINK"),
    (0, 0x36, Attribute::Name, "MAX-BITRATE-DNLINK"),
    (0, 0x37, Attribute::Name, "RESIDUAL-BER"),
    (0, 0x38, Attribute::Name, "SDU-ERROR-RATIO"),
    (0, 0x39, Attribute::Name, "TRAFFIC-HANDL-PRIO"),
    (0, 0x3a, Attribute::Name, "TRANSFER-DELAY"),
    (0, 0x3b, Attribute::Name, "GUARANTEED-BITRATE-UPLINK"),
    (0, 0x3c, Attribute::Name, "GUARANTEED-BITRATE-DNLINK"),
    (0, 0x3d, Attribute::Name, "PXADDR-FQDN"),
    (0, 0x3e, Attribute::Name, "PROXY-PW"),
    (0, 0x3f, Attribute::Name, "PPGAUTH-TYPE"),
    (0, 0x47, Attribute::Name, "PULLENABLED"),
    (0, 0x48, Attribute::Name, "DNS-ADDR"),
    (0, 0x49, Attribute::Name, "MAX-NUM-RETRY"),
    (0, 0x4a, Attribute::Name, "FIRST-RETRY-TIMEOUT"),
    (0, 0x4b, Attribute::Name, "REREG-THRESHOLD"),
    (0, 0x4c, Attribute::Name, "T-BIT"),
    (0, 0x4e, Attribute::Name, "AUTH-ENTITY"),
    (0, 0x4f, Attribute::Name, "SPI"),
    (1, 0x53, Attribute::Type, "PORT"),
    (1, 0x55, Attribute::Type, "APPLICATION"),
    (1, 0x56, Attribute::Type, "APPADDR"),
    (1, 0x57, Attribute::Type, "APPAUTH"),
    (1, 0x58, Attribute::Type, "CLIENTIDENTITY"),
    (1, 0x59, Attribute::Type, "RESOURCE"),
    (1, 0x07, Attribute::Name, "NAME"),
    (1, 0x14, Attribute::Name, "INTERNET"),
    (1, 0x1c, Attribute::Name, "STARTPAGE"),
    (1, 0x22, Attribute::Name, "TO-NAPID"),
    (1, 0x23, Attribute::Name, "PORTNBR"),
    (1, 0x24, Attribute::Name, "SERVICE"),
    (1, 0x2e, Attribute::Name, "AACCEPT"),
    (1, 0x2f, Attribute::Name, "AAUTHDATA"),
    (1, 0x30, Attribute::Name, "AAUTHLEVEL"),
    (1, 0x31, Attribute::Name, "AAUTHNAME"),
    (1, 0x32, Attribute::Name, "AAUTHSECRET"),
    (1, 0x33, Attribute::Name, "AAUTHTYPE"),
    (1, 0x34, Attribute::Name, "ADDR"),
    (1, 0x35, Attribute::Name, "ADDRTYPE"),
    (1, 0x36, Attribute::Name, "APPID"),
    (1, 0x37, Attribute::Name, "APROTOCOL"),
    (1, 0x38, Attribute::Name, "PROVIDER-ID"),
    (1, 0x39, Attribute::Name, "TO-PROXY"),
    (1, 0x3a, Attribute::Name, "URI"),
    (1, 0x3b, Attribute::Name, "RULE"),
];

/// Attribute values: code page, token, value (ProvCont §7.3). Those of page 1 from 0x90 are put together: AAUTHTYPE.
#[rustfmt::skip]
const VALUES: &[(u8, u8, &str)] = &[
    // ADDRTYPE
    (0, 0x85, "IPV4"),
    (0, 0x86, "IPV6"),
    (0, 0x87, "E164"),
    (0, 0x88, "ALPHA"),
    (0, 0x89, "APN"),
    (0, 0x8a, "SCODE"),
    (0, 0x8b, "TETRA-ITSI"),
    (0, 0x8c, "MAN"),
    // CALLTYPE
    (0, 0x90, "ANALOG-MODEM"),
    (0, 0x91, "V.120"),
    (0, 0x92, "V.110"),
    (0, 0x93, "X.31"),
    (0, 0x94, "BIT-TRANSPARENT"),
    (0, 0x95, "DIRECT-ASYNCHRONOUS-DATA-SERVICE"),
    // AUTHTYPE, PXAUTH-TYPE
    (0, 0x9a, "PAP"),
    (0, 0x9b, "CHAP"),
    (0, 0x9c, "HTTP-BASIC"),
    (0, 0x9d, "HTTP-DIGEST"),
    (0, 0x9e, "WTLS-SS"),
    (0, 0x9f, "MD5"),
    // BEARER
    (0, 0xa2, "GSM-USSD"),
    (0, 0xa3, "GSM-SMS"),
    (0, 0xa4, "ANSI-136-GUTS"),
    (0, 0xa5, "IS-95-CDMA-SMS"),
    (0, 0xa6, "IS-95-CDMA-CSD"),
    (0, 0xa7, "IS-95-CDMA-PACKET"),
    (0, 0xa8, "ANSI-136-CSD"),
    (0, 0xa9, "ANSI-136-GPRS"),
    (0, 0xaa, "GSM-CSD"),
    (0, 0xab, "GSM-GPRS"),
    (0, 0xac, "AMPS-CDPD"),
    (0, 0xad, "PDC-CSD"),
    (0, 0xae, "PDC-PACKET"),
    (0, 0xaf, "IDEN-SMS"),
    (0, 0xb0, "IDEN-CSD"),
    (0, 0xb1, "IDEN-PACKET"),
    (0, 0xb2, "FLEX/REFLEX"),
    (0, 0xb3, "PHS-SMS"),
    (0, 0xb4, "PHS-CSD"),
    (0, 0xb5, "TETRA-SDS"),
    (0, 0xb6, "TETRA-PACKET"),
    (0, 0xb7, "ANSI-136-GHOST"),
    (0, 0xb8, "MOBITEX-MPAK"),
    (0, 0xb9, "CDMA2000-1X-SIMPLE-IP"),
    (0, 0xba, "CDMA2000-1X-MOBILE-IP"),
    // LINKSPEED
    (0, 0xc5, "AUTOBAUDING"),
    // SERVICE
    (0, 0xca, "CL-WSP"),
    (0, 0xcb, "CO-WSP"),
    (0, 0xcc, "CL-SEC-WSP"),
    (0, 0xcd, "CO-SEC-WSP"),
    (0, 0xce, "CL-SEC-WTA"),
    (0, 0xcf, "CO-SEC-WTA"),
    (0, 0xd0, "OTA-HTTP-TO"),
    (0, 0xd1, "OTA-HTTP-TLS-TO"),
    (0, 0xd2, "OTA-HTTP-PO"),
    (0, 0xd3, "OTA-HTTP-TLS-PO"),
    // AUTH-ENTITY
    (0, 0xe0, "AAA"),
    (0, 0xe1, "HA"),
    // Of APPLICATION: ADDRTYPE, AAUTHLEVEL, AAUTHTYPE
    (1, 0x86, "IPV6"),
    (1, 0x87, "E164"),
    (1, 0x88, "ALPHA"),
    (1, 0x8d, "APPSRV"),
    (1, 0x8e, "OBEX"),
    (1, 0x90, ","),
    (1, 0x91, "HTTP-"),
    (1, 0x92, "BASIC"),
    (1, 0x93, "DIGEST"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_means_two_things() {
        for (at, (page, token, attribute, value)) in STARTS.iter().enumerate() {
            assert!((5..0x80).contains(token) && token & 0x3f > 4, "{value}");
            assert_eq!(start(*page, *token), Some((*attribute, *value)));
            assert_eq!(start_of(*attribute, value, *page), Some((*page, *token)));
            assert!(STARTS[at + 1..].iter().all(|(p, t, _, _)| (p, t) != (page, token)), "{value}");
        }
        for (at, (page, token, value)) in VALUES.iter().enumerate() {
            assert!(*token >= 0x85, "{value}");
            assert!(
                VALUES[at + 1..].iter().all(|(p, t, v)| p != page || (t != token && v != value)),
                "{value}"
            );
        }
    }
}
