//! What an eNB is, and how it behaves.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use schemas::identity::Plmn;

/// SCTP port of the MME, TS 36.412 §7.
pub const PORT: u16 = 36412;

/// An eNB.
#[derive(Debug, Clone)]
pub struct EnbConfig {
    /// The MME: one address, or several of one MME (multihoming).
    pub mme: Vec<SocketAddr>,
    /// The eNB's own addresses; none: the system chooses.
    pub local: Vec<IpAddr>,
    /// The network that it is of, and broadcasts.
    pub plmn: Plmn,
    /// Tracking area code, TS 23.003 §19.4.2.3.
    pub tac: u16,
    /// Macro eNB identity, 20 bits (TS 36.413 §9.2.1.37).
    pub enb_id: u32,
    /// Its name.
    pub name: String,
    /// Where it takes user packets (S1-U); told to the MME with each bearer.
    pub user_plane: IpAddr,
    /// How long the association may take, and S1 SETUP after it.
    pub setup: Duration,
    /// Delay before the association is made anew after a loss; doubled each time, up to a minute.
    pub reconnect: Duration,
}

impl EnbConfig {
    /// An eNB of `plmn` at the MME at `mme`, tracking area 1.
    #[must_use]
    pub fn new(mme: SocketAddr, plmn: Plmn) -> Self {
        Self {
            mme: vec![mme],
            local: Vec::new(),
            plmn,
            tac: 1,
            enb_id: 0x0ca11,
            name: "callhome".into(),
            user_plane: IpAddr::V4(Ipv4Addr::LOCALHOST),
            setup: Duration::from_secs(10),
            reconnect: Duration::from_secs(1),
        }
    }
}
