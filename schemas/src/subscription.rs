//! Subscription data that profiles hold (TS 29.272 §7.3.2): the types that REST and the ICF's store share.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Network-Access-Mode (TS 29.272 §7.3.21, TS 23.008 §2.1.1.2): whether a subscriber has services of the circuit
/// switched domain too. Without them a combined attach (CS fallback, SMS over SGs) is accepted for EPS only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkAccessMode {
    /// PACKET_AND_CIRCUIT (0).
    #[default]
    PacketAndCircuit,
    /// ONLY_PACKET (2).
    OnlyPacket,
}
