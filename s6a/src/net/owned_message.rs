//! A message that was received, with octets of its own.

use std::fmt;

use crate::codec::Message;

/// A received message.
#[derive(Clone, PartialEq, Eq)]
pub struct OwnedMessage {
    octets: Box<[u8]>,
}

impl fmt::Debug for OwnedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.message().header, f)
    }
}

impl OwnedMessage {
    pub(super) fn copy(message: &Message<'_>) -> Self {
        Self { octets: message.octets().into() }
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> Message<'_> {
        #[allow(clippy::expect_used, reason = "it was a message when it was copied")]
        Message::parse(&self.octets).expect("a message")
    }
}
