//! Sessions, RFC 6733 §8.

use crate::codec::grammar::enumerated;

enumerated! {
    /// Whether the server keeps state for the session, RFC 6733 §8.11. In S6a it never does
    /// (TS 29.272 §7.1.4).
    pub enum AuthSessionState {
        /// STATE_MAINTAINED.
        StateMaintained = 0,
        /// NO_STATE_MAINTAINED.
        #[default]
        NoStateMaintained = 1,
    }
}
