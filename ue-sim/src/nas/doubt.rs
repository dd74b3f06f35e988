//! What a UE keeps while it doubts that the network is genuine (TS 24.301 §5.4.2.7).

use super::{Procedure, Timer};

/// A challenge was refused, and the network has not made up for it yet.
pub(super) struct Doubt {
    /// T3418 or T3420, which runs. Challenges are in a row if the next one comes while it does.
    pub(super) timer: Timer,
    /// Challenges refused in a row.
    pub(super) refused: u8,
    /// The procedure whose timer stands still meanwhile.
    pub(super) paused: Option<Procedure>,
}
