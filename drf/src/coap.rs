//! CoAP (RFC 7252) as the DRF speaks it: confirmable requests to devices, and a small server that gives RNCTs.
//!
//! [`message`], [`block`], [`exchange`], [`request`], [`recent`] and `limit` know no socket and no clock;
//! [`endpoint`] drives them over one UDP socket.

pub mod block;
pub mod echo;
pub mod endpoint;
pub mod exchange;
pub mod message;
pub mod recent;
pub mod request;

/// Milliseconds on a clock that only rises; where it begins does not matter.
pub type Millis = u64;

/// Option numbers (RFC 7252 §5.10, RFC 7959 §6, RFC 7641 §6, RFC 9175 §2.2).
pub mod option {
    /// Uri-Host.
    pub const URI_HOST: u16 = 3;
    /// ETag.
    pub const ETAG: u16 = 4;
    /// Uri-Port.
    pub const URI_PORT: u16 = 7;
    /// Uri-Path, one for each segment.
    pub const URI_PATH: u16 = 11;
    /// Content-Format.
    pub const CONTENT_FORMAT: u16 = 12;
    /// Max-Age, seconds.
    pub const MAX_AGE: u16 = 14;
    /// Uri-Query, one for each argument.
    pub const URI_QUERY: u16 = 15;
    /// Accept.
    pub const ACCEPT: u16 = 17;
    /// Block2: a block of a response (RFC 7959 §2.1).
    pub const BLOCK2: u16 = 23;
    /// Block1: a block of a request (RFC 7959 §2.1).
    pub const BLOCK1: u16 = 27;
    /// Size2: octets of the whole response (RFC 7959 §4).
    pub const SIZE2: u16 = 28;
    /// Proxy-Uri.
    pub const PROXY_URI: u16 = 35;
    /// Proxy-Scheme.
    pub const PROXY_SCHEME: u16 = 39;
    /// Size1: octets of the whole request (RFC 7252 §5.10.9).
    pub const SIZE1: u16 = 60;
    /// Echo (RFC 9175 §2.2).
    pub const ECHO: u16 = 252;

    /// Whether a recipient that does not know the option must not go on (RFC 7252 §5.4.6).
    #[must_use]
    pub fn is_critical(number: u16) -> bool {
        number & 1 == 1
    }
}
