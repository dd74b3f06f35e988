//! The base protocol's commands (RFC 6733 §5.3 to §5.5), what every answer has in common, and the answer
//! to a request that cannot be accepted.

pub mod capabilities;
pub mod disconnect;
pub mod error_answer;
pub mod groups;
pub mod outcome;
pub mod peer_capabilities;
pub mod routing;
pub mod session;
pub mod watchdog;

pub use capabilities::{CapabilitiesExchangeAnswer, CapabilitiesExchangeRequest};
pub use disconnect::{DisconnectCause, DisconnectPeerAnswer, DisconnectPeerRequest};
pub use error_answer::{ErrorAnswer, Refusal, error_answer};
pub use groups::{FailedAvp, ProxyInfo, VendorSpecificApplicationId};
pub use outcome::{ExperimentalResult, Outcome};
pub use peer_capabilities::PeerCapabilities;
pub use routing::Routing;
pub use session::AuthSessionState;
pub use watchdog::{DeviceWatchdogAnswer, DeviceWatchdogRequest};

/// Application id of the base protocol's own messages, RFC 6733 §2.4.
pub const BASE: u32 = 0;

/// Application id that a relay advertises, RFC 6733 §2.4.
pub const RELAY: u32 = 0xffff_ffff;

/// Inband-Security-Id NO_INBAND_SECURITY, RFC 6733 §6.10.
pub const NO_INBAND_SECURITY: u32 = 0;
