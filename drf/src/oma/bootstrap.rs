//! Authentication of a pushed document by the IMSI (ProvBoot, security mechanism NETWPIN), and the header that says so.

use hmac::{Hmac, KeyInit, Mac};
use schemas::identity::Imsi;
use sha1::Sha1;

/// Media type of the document in WBXML (ProvCont, media types).
pub const MEDIA_TYPE: &str = "application/vnd.wap.connectivity-wbxml";
/// Value of SEC that means NETWPIN (ProvBoot).
pub const SEC_NETWPIN: u8 = 0;
/// Octets of a MAC: HMAC-SHA-1, not truncated.
pub const MAC_OCTETS: usize = 20;
/// Octets of [`wsp_content_type`].
pub const WSP_CONTENT_TYPE_OCTETS: usize = 47;

/// Octets of a block of SHA-1 (RFC 2104 §2): a shorter key is filled up with zeros.
const BLOCK: usize = 64;

/// The key of NETWPIN: the IMSI in the semi-octets of GSM 11.11 §10.3.2 (EF IMSI, without its length) and
/// TS 24.008 §10.5.1.4: first type of identity 1 with the odd/even bit, then the digits, the lower half first; where
/// their number is even, 0xF fills the last half. 4 to 8 octets.
#[must_use]
pub fn netwpin_key(imsi: Imsi) -> Vec<u8> {
    const TYPE_IMSI: u8 = 1;
    const ODD: u8 = 1 << 3;
    const FILLER: u8 = 0xf;
    let mut halves = Vec::with_capacity(Imsi::MAX_DIGITS + 1);
    halves.push(TYPE_IMSI | if imsi.digits() % 2 == 1 { ODD } else { 0 });
    halves.extend(imsi.to_string().bytes().map(|digit| digit - b'0'));
    halves.chunks(2).map(|pair| pair[0] | pair.get(1).copied().unwrap_or(FILLER) << 4).collect()
}

fn mac(imsi: Imsi, body: &[u8]) -> Hmac<Sha1> {
    let mut key = [0; BLOCK];
    for (to, from) in key.iter_mut().zip(netwpin_key(imsi)) {
        *to = from;
    }
    let mut mac = <Hmac<Sha1> as KeyInit>::new(&key.into());
    mac.update(body);
    mac
}

/// MAC of a document (`body`: its WBXML, all of it) for the device with this IMSI: HMAC-SHA-1 (RFC 2104) with
/// [`netwpin_key`].
#[must_use]
pub fn netwpin_mac(imsi: Imsi, body: &[u8]) -> [u8; MAC_OCTETS] {
    mac(imsi, body).finalize().into_bytes().into()
}

/// Whether this is the MAC of the body, for that IMSI; in a time that does not depend on how much of it is right.
#[must_use]
pub fn netwpin_verify(imsi: Imsi, body: &[u8], claimed: &[u8; MAC_OCTETS]) -> bool {
    mac(imsi, body).verify(&(*claimed).into()).is_ok()
}

/// Value of the Content-Type header: `application/vnd.wap.connectivity-wbxml; SEC=0; MAC=⟨40 hexadecimal digits⟩`.
#[must_use]
pub fn content_type(mac: &[u8; MAC_OCTETS]) -> String {
    format!("{MEDIA_TYPE}; SEC={SEC_NETWPIN}; MAC={}", hexadecimal(mac))
}

/// The MAC of a Content-Type header, as [`content_type`] writes it: parameters in either order, digits and names in
/// either case.
///
/// # Errors
/// Another media type, another security mechanism, or no MAC.
pub fn parse_content_type(value: &str) -> Result<[u8; MAC_OCTETS], ContentTypeError> {
    let mut pieces = value.split(';').map(str::trim);
    if !pieces.next().is_some_and(|media| media.eq_ignore_ascii_case(MEDIA_TYPE)) {
        return Err(ContentTypeError::MediaType);
    }
    let (mut sec, mut mac) = (None, None);
    for piece in pieces {
        let (name, value) = piece.split_once('=').ok_or(ContentTypeError::Parameter)?;
        let slot = match name.trim() {
            name if name.eq_ignore_ascii_case("SEC") => &mut sec,
            name if name.eq_ignore_ascii_case("MAC") => &mut mac,
            _ => continue,
        };
        if slot.replace(value.trim()).is_some() {
            return Err(ContentTypeError::Parameter);
        }
    }
    if sec != Some("0") {
        return Err(ContentTypeError::Security);
    }
    let digits = mac.ok_or(ContentTypeError::Mac)?.to_ascii_uppercase();
    data_encoding::HEXUPPER
        .decode(digits.as_bytes())
        .ok()
        .and_then(|octets| octets.try_into().ok())
        .ok_or(ContentTypeError::Mac)
}

/// Why a Content-Type header does not tell a NETWPIN MAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContentTypeError {
    /// Not the media type.
    #[error("the content type is not {MEDIA_TYPE}")]
    MediaType,
    /// A parameter is given twice, or without a value.
    #[error("a parameter of the content type has no value, or is there twice")]
    Parameter,
    /// Not NETWPIN.
    #[error("the content type does not say SEC=0: only NETWPIN is verified")]
    Security,
    /// No MAC, or not 40 hexadecimal digits.
    #[error("the content type has no MAC of 40 hexadecimal digits")]
    Mac,
}

/// The same content type as WSP encodes it (WAP-230 §8.4.2.24, Content-general-form): [`WSP_CONTENT_TYPE_OCTETS`]
/// octets.
#[must_use]
pub fn wsp_content_type(mac: &[u8; MAC_OCTETS]) -> Vec<u8> {
    /// Length-quote: a Uintvar-integer with the length follows (WAP-230 §8.4.2.2).
    const LENGTH_QUOTE: u8 = 31;
    /// Assigned number of the media type (WAP-230 table 40), as a Short-integer.
    const CONNECTIVITY_WBXML: u8 = 0x36 | SHORT;
    /// SEC and MAC (WAP-230 table 38), as Short-integers.
    const SEC: u8 = 0x11 | SHORT;
    const MAC: u8 = 0x12 | SHORT;
    /// The high bit of a Short-integer (WAP-230 §8.4.2.1).
    const SHORT: u8 = 0x80;
    /// Media type, SEC and its value, MAC and its Text-string with the octet that ends it.
    const LENGTH: u8 = 1 + 2 + 1 + 2 * MAC_OCTETS as u8 + 1;

    let mut octets = Vec::with_capacity(WSP_CONTENT_TYPE_OCTETS);
    octets.extend([LENGTH_QUOTE, LENGTH, CONNECTIVITY_WBXML, SEC, SEC_NETWPIN | SHORT, MAC]);
    octets.extend(hexadecimal(mac).bytes());
    octets.push(0);
    octets
}

/// The Push PDU of connectionless WSP (WAP-230 §8.2.4.1), to be sent to port 2948 of the device: transaction
/// identity, PDU type, length of the headers, content type, document. There are no other headers.
#[must_use]
pub fn wsp_push(transaction: u8, imsi: Imsi, body: &[u8]) -> Vec<u8> {
    /// Push (WAP-230 table 34).
    const PUSH: u8 = 0x06;
    let mut octets = Vec::with_capacity(3 + WSP_CONTENT_TYPE_OCTETS + body.len());
    octets.extend([transaction, PUSH, WSP_CONTENT_TYPE_OCTETS as u8]);
    octets.extend(wsp_content_type(&netwpin_mac(imsi, body)));
    octets.extend(body);
    octets
}

fn hexadecimal(octets: &[u8]) -> String {
    data_encoding::HEXUPPER.encode(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_an_imsi_in_semi_octets() {
        for (imsi, key) in [
            ("001010123456789", "0910101032547698"),
            ("21407650123456", "21417056103254f6"),
            ("123456", "113254f6"),
        ] {
            assert_eq!(data_encoding::HEXLOWER.encode(&netwpin_key(imsi.parse().unwrap())), key);
        }
    }

    #[test]
    fn only_the_right_mac_for_the_right_imsi_and_body_is_accepted() {
        let imsi = "001010123456789".parse().unwrap();
        let mac = netwpin_mac(imsi, b"body");
        assert!(netwpin_verify(imsi, b"body", &mac));
        assert!(!netwpin_verify(imsi, b"bodY", &mac));
        assert!(!netwpin_verify("001010123456780".parse().unwrap(), b"body", &mac));
        for bit in 0..MAC_OCTETS * 8 {
            let mut wrong = mac;
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(!netwpin_verify(imsi, b"body", &wrong), "bit {bit}");
        }
    }

    #[test]
    fn the_header_is_read_back() {
        let mac = netwpin_mac("001010123456789".parse().unwrap(), b"body");
        let header = content_type(&mac);
        assert_eq!(parse_content_type(&header), Ok(mac));
        assert_eq!(parse_content_type(&header.to_ascii_lowercase()), Ok(mac));
        let digits = header.rsplit('=').next().unwrap();
        assert_eq!(digits.len(), 40);
        assert!(digits.bytes().all(|c| c.is_ascii_digit() || (b'A'..=b'F').contains(&c)));
        for (value, why) in [
            (format!("text/plain; SEC=0; MAC={digits}"), ContentTypeError::MediaType),
            (format!("{MEDIA_TYPE}; SEC=1; MAC={digits}"), ContentTypeError::Security),
            (format!("{MEDIA_TYPE}; MAC={digits}"), ContentTypeError::Security),
            (format!("{MEDIA_TYPE}; SEC=0"), ContentTypeError::Mac),
            (format!("{MEDIA_TYPE}; SEC=0; MAC={}", &digits[1..]), ContentTypeError::Mac),
            (format!("{MEDIA_TYPE}; SEC=0; SEC=0; MAC={digits}"), ContentTypeError::Parameter),
            (format!("{MEDIA_TYPE}; SEC"), ContentTypeError::Parameter),
        ] {
            assert_eq!(parse_content_type(&value), Err(why), "{value}");
        }
    }

    #[test]
    fn the_wsp_header_has_the_length_that_it_says() {
        let octets = wsp_content_type(&[0xab; MAC_OCTETS]);
        assert_eq!(octets.len(), WSP_CONTENT_TYPE_OCTETS);
        assert_eq!(octets[..6], [0x1f, 0x2d, 0xb6, 0x91, 0x80, 0x92]);
        assert_eq!(octets[6..], *[b"AB".repeat(20), vec![0]].concat());
    }
}
