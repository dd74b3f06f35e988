//! What a crowd's UEs send through their bearers.

use std::net::Ipv4Addr;
use std::time::Duration;

use async_trait::async_trait;
use schemas::identity::Imsi;

use super::{Gtp, Pings, UeNet};
use crate::access::s1ap::crowd::Traffic;
use crate::nas::Bearer;

/// How long an echo is waited for.
const ANSWER: Duration = Duration::from_secs(5);

/// An ICMP echo (RFC 792) through each bearer.
#[derive(Debug, Clone)]
pub struct Echoes {
    /// The eNB's S1-U.
    pub gtp: Gtp,
    /// Who is to answer.
    pub to: Ipv4Addr,
}

#[async_trait]
impl Traffic for Echoes {
    async fn exchange(&self, imsi: Imsi, bearer: &Bearer) -> Result<Duration, String> {
        let address = bearer.address.ok_or("the network has given no IPv4 address")?;
        let net = UeNet::new(self.gtp.port(imsi, bearer.mtu.unwrap_or(super::DEFAULT_MTU)), address);
        let mut pings = Pings::from(&net).await.map_err(|error| error.to_string())?;
        let echo = pings.ping(self.to, ANSWER).await.map_err(|error| error.to_string())?;
        echo.after.ok_or_else(|| "the echo did not come".to_owned())
    }
}
