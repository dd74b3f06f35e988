//! Messages and AVPs on the wire, RFC 6733 §3 and §4. Reading borrows from the input; writing appends to
//! the caller's buffer. No IO, no clock.

pub mod avp;
pub mod dictionary;
pub mod error;
pub mod flags;
pub mod frame;
pub(crate) mod grammar;
pub mod header;
pub mod member;
pub mod message;
pub mod result;
#[cfg(test)]
pub(crate) mod sample;
pub mod value;
pub mod writer;

pub use avp::{Avp, Avps};
pub use dictionary::{AvpDef, Kind};
pub use error::DecodeError;
pub use flags::AvpFlags;
pub use frame::Frame;
pub use header::{CommandFlags, HEADER_LEN, Header};
pub use member::{Member, Occurs};
pub use message::Message;
pub use result::{Experimental, ResultCode};
pub use value::{RawAvp, Repeated, Value};
pub use writer::Writer;
