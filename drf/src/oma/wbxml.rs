//! WBXML 1.3 (WAP-192) of a provisioning document: an encoder, and a decoder that bounds what it reads.

mod decode;
mod encode;

pub use decode::{DecodeError, Problem, decode};

/// Version octet of WBXML 1.3: major version less one in the upper half, minor version in the lower (WAP-192 §5.4).
const VERSION_1_3: u8 = 0x03;
