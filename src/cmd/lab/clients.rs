//! The roles' REST APIs, asked as the lab's administrator.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context;
use ipnet::Ipv4Net;
use reqwest::Method;
use schemas::{identity::Imsi, trust::ServerRole};
use serde_json::{Value, json};
use service::{
    client::RoleClient,
    config::{SecretSource, Span},
    role::PeerRole,
};

use super::{
    factory,
    roles::{APN, OPERATOR, Ports, Roles},
};

/// First IMSI of the operator: MNC 01.
const FIRST_IMSI: &str = "999010000000001";
/// How many it has.
const IMSIS: u64 = 1_000_000;
/// The operator's network.
pub const HOME: &str = "999-01";

/// One client a role.
#[derive(Debug, Clone)]
pub struct Clients {
    /// ICF.
    pub icf: RoleClient,
    /// PVA.
    pub pva: RoleClient,
    /// SHO.
    pub sho: RoleClient,
    /// DRF.
    pub drf: RoleClient,
    /// DPF.
    pub dpf: RoleClient,
    /// The operator's HSS.
    pub hss: RoleClient,
    home_pool: Ipv4Net,
}

impl Clients {
    /// With the admin's token; each request may take `timeout`.
    ///
    /// # Errors
    /// If token or trust anchor cannot be read.
    pub fn new(roles: &Roles, ports: Ports, timeout: Duration) -> anyhow::Result<Self> {
        let at = |role: ServerRole, url: String| {
            let config = PeerRole {
                url,
                token: SecretSource::File(roles.admin.file.clone()),
                ca: Some(roles.pki.root().cert),
                timeout: Span(timeout),
            };
            RoleClient::new(role, &config)
        };
        let client = |role: ServerRole, address: SocketAddr| at(role, format!("https://{address}"));
        let operator = ServerRole::Sho(OPERATOR.parse()?);
        Ok(Self {
            icf: at(ServerRole::Icf, format!("http://{}", ports.rest))?,
            pva: client(ServerRole::Pva, ports.pva())?,
            sho: client(operator, ports.sho())?,
            drf: client(ServerRole::Drf, ports.drf())?,
            dpf: client(ServerRole::Dpf, ports.dpf())?,
            hss: client(ServerRole::Icf, ports.hss())?,
            home_pool: ports.home_pool,
        })
    }

    /// Tells the roles of supplier, operator and numbers. What is there stays.
    ///
    /// # Errors
    /// Which of it could not be done.
    pub async fn introduce(&self) -> anyhow::Result<()> {
        factory::announce(&self.pva).await.context("PVA")?;
        self.subscription().await.context("the SHO's HSS")?;
        let first: Imsi = FIRST_IMSI.parse()?;
        let range = json!({ "kind": "imsi", "first": first, "count": IMSIS });
        factory::put(&self.sho, "/v1/number-ranges/lab", &range).await.context("SHO")?;
        let operator = json!({ "name": "Selected Home Operator A", "plmns": [HOME] });
        factory::put(&self.drf, &format!("/v1/operators/{OPERATOR}"), &operator).await.context("DRF")
    }

    /// What the operator's subscribers get: the operational service, not the narrow access of a PCID that a new database
    /// begins with.
    async fn subscription(&self) -> anyhow::Result<()> {
        const PATH: &str = "/v1/profiles/default";
        let there: Value = self.hss.json::<(), Value>(Method::GET, PATH, None).await?;
        if there["apns"][0]["name"] == APN {
            // Put again, it would be a change, and every serving node told of it.
            return Ok(());
        }
        let rate = json!({ "uplink": 50_000_000, "downlink": 100_000_000 });
        let profile = json!({
            "apns": [{ "name": APN, "ambr": rate }],
            "ambr": rate,
            "address_pool": self.home_pool,
        });
        factory::put(&self.hss, PATH, &profile).await
    }
}
