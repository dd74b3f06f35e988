//! From a configuration to a running SHO.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, bail, ensure};
use async_trait::async_trait;
use axum::http::Method;
use schemas::{
    cose::{PrivateKey, Signer},
    identity::Imsi,
    rest::provisioning::{Validation, ValidationRequest},
    trust::{Anchors, Purpose, ServerRole},
};
use service::{
    api::keep_short,
    auth::Guard,
    client::{CallError, RoleClient},
    config::read_private_file,
    database::Alone,
    health::Health,
    preflight::Preflight,
    role::METRICS,
    serve::HttpServer,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    clock::{Clock, seconds},
    config::ShoConfig,
    connector,
    machine::{Delivery, NoVerdict, Operator, Rooms, Sho, Validator},
    metrics::Metrics,
    model::is_apn,
    rest::{SCOPES, router},
    store::Store,
    sweeper,
};

/// How long an HSS may take to answer while the configuration is checked.
const HSS_WITHIN: Duration = Duration::from_secs(3);

/// The PVA, over its REST API.
#[derive(Debug)]
pub struct Pva(RoleClient);

#[async_trait]
impl Validator for Pva {
    async fn validate(&self, request: &ValidationRequest) -> Result<Validation, NoVerdict> {
        let answer = self.0.json(Method::POST, "/v1/validations", Some(request)).await;
        answer.map_err(|error| match &error {
            // A token that is put right makes it go on.
            CallError::Refused { status, .. }
                if !error.is_transient() && ![401, 403].contains(&status.as_u16()) =>
            {
                NoVerdict::Refused(error.to_string())
            }
            _ => NoVerdict::Away(error.to_string()),
        })
    }
}

/// What can be said about a configuration without starting anything.
///
/// # Errors
/// The first thing that would keep the SHO from starting.
pub fn check(config: &ShoConfig) -> anyhow::Result<()> {
    operator(config)?;
    config.keys.keyring()?;
    config.keys.settle()?;
    RoleClient::new(ServerRole::Pva, &config.pva).context("pva")?;
    if let Some(dpf) = &config.dpf {
        RoleClient::new(ServerRole::Dpf, dpf).context("dpf")?;
    }
    connectors(config)?;
    if config.rest.listen.is_some() {
        config.rest.tokens(SCOPES)?;
        config.rest.tls()?;
    }
    Ok(())
}

/// What the SHO needs of this machine and of others when it starts, [`check`] included. An HSS that is away is asked again
/// when it is needed.
pub async fn preflight(config: &ShoConfig) -> Preflight {
    let mut preflight = Preflight::default();
    preflight.log(&config.log);
    preflight.keep(check(config));
    let keys = config.keys.keyring().ok();
    preflight.database(&config.database.url, &crate::store::SCHEMA, keys.as_ref()).await;
    preflight.certificate("sho.signing.cert", &config.sho.signing.cert);
    preflight.rest(&config.rest).await;
    for connector in connectors(config).unwrap_or_default() {
        let name = connector.name();
        let Some(imsi) = preflight.keep(nobody(config)) else { break };
        let asked = tokio::time::timeout(HSS_WITHIN, connector.exists(imsi)).await;
        match asked {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => preflight.warning(format!("connectors: {name}: {error}")),
            Err(_) => preflight
                .warning(format!("connectors: {name}: no answer within {HSS_WITHIN:?}; is the HSS there?")),
        }
    }
    for (key, role, peer) in
        [("pva", ServerRole::Pva, Some(&config.pva)), ("dpf", ServerRole::Dpf, config.dpf.as_ref())]
    {
        if let Some(Ok(client)) = peer.map(|peer| RoleClient::new(role, peer)) {
            preflight.role(key, &client).await;
        }
    }
    preflight
}

/// An IMSI of ours that an HSS may be asked for: it need not be there.
fn nobody(config: &ShoConfig) -> anyhow::Result<Imsi> {
    let prefix = format!("{}{}", config.sho.plmn.mcc(), config.sho.plmn.mnc());
    Ok(format!("{prefix:0<15}").parse()?)
}

fn connectors(config: &ShoConfig) -> anyhow::Result<Vec<Arc<dyn connector::Connector>>> {
    for (at, one) in config.connectors.iter().enumerate() {
        let twice = config.connectors.iter().take(at).any(|other| other.name() == one.name());
        ensure!(!twice, "connectors: two are called {:?}; give each a `name`", one.name());
    }
    connector::all(&config.connectors).context("connectors")
}

fn operator(config: &ShoConfig) -> anyhow::Result<Operator> {
    let sho = &config.sho;
    ensure!(is_apn(&sho.apn), "sho.apn: labels of a-z A-Z 0-9 and -, joined by dots (TS 23.003 §9.1)");
    let public = |path: &std::path::Path| {
        std::fs::read(path).with_context(|| format!("{}: check the path and permissions", path.display()))
    };
    let anchors = public(&sho.anchors).context("sho.anchors")?;
    let anchors =
        Anchors::from_pem(&anchors).with_context(|| format!("sho.anchors: {}", sho.anchors.display()))?;
    let key = read_private_file(&sho.signing.key).context("sho.signing.key")?;
    let cert = public(&sho.signing.cert).context("sho.signing.cert")?;
    let signer = Signer::from_pem(&key, &cert).context("sho.signing")?;
    let chain: Vec<Vec<u8>> =
        schemas::trust::chain_from_pem(&cert)?.into_iter().map(|der| der.to_vec()).collect();
    let now = seconds(Clock::system().now());
    let leaf =
        anchors.verify(&chain, Purpose::Payload, now).context("sho.signing.cert: devices would refuse it")?;
    if leaf.name != sho.operator.as_str() {
        bail!(
            "sho.signing.cert is the certificate of {:?}, and sho.operator is {:?}: devices would refuse it",
            leaf.name,
            sho.operator.as_str()
        );
    }
    let sealing_key = match &sho.sealing_key {
        None => None,
        Some(path) => {
            let pem = read_private_file(path).context("sho.sealing_key")?;
            Some(PrivateKey::from_pem(&pem).with_context(|| format!("sho.sealing_key: {}", path.display()))?)
        }
    };
    Ok(Operator {
        id: sho.operator.clone(),
        name: sho.name.clone().unwrap_or_else(|| sho.operator.to_string()),
        plmn: sho.plmn,
        apn: sho.apn.clone(),
        signer,
        sealing_key,
        anchors,
    })
}

/// A running SHO.
pub struct Started {
    /// The role itself.
    pub sho: Arc<Sho>,
    /// `https://…` where REST is served, if it is.
    pub rest_url: Option<String>,
    stop: CancellationToken,
    tasks: TaskTracker,
    /// To the end: no second SHO works with the database.
    _alone: Alone,
}

impl std::fmt::Debug for Started {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Started({})", self.sho.operator.id)
    }
}

impl Started {
    /// Where it listens and how to go on, for the one who has started it.
    #[must_use]
    pub fn banner(&self) -> Vec<String> {
        let operator = &self.sho.operator;
        let mut lines = vec![format!("SHO {} ({})", operator.id, operator.plmn)];
        for connector in &self.sho.connectors {
            lines.push(format!("  HSS   {}", connector.name()));
        }
        if let Some(url) = &self.rest_url {
            lines.push(format!("  REST  {url}/docs  (metrics: {url}/metrics)"));
        }
        lines
    }

    /// Waits until it was told to stop, and ends.
    pub async fn wait(self) {
        self.stop.cancelled().await;
        self.tasks.close();
        if tokio::time::timeout(Duration::from_secs(15), self.tasks.wait()).await.is_err() {
            tracing::warn!("something did not end in time");
        }
        self.sho.store.db.close().await;
    }
}

/// Starts everything; when it returns, REST answers.
///
/// # Errors
/// What could not be started, and what to do.
pub async fn start(config: ShoConfig, stop: CancellationToken) -> anyhow::Result<Started> {
    let operator = operator(&config)?;
    let validator = Arc::new(Pva(RoleClient::new(ServerRole::Pva, &config.pva).context("pva")?));
    let connectors = connectors(&config)?;
    let dpf =
        config.dpf.as_ref().map(|dpf| RoleClient::new(ServerRole::Dpf, dpf)).transpose().context("dpf")?;
    let url = &config.database.url;
    let alone = Alone::take(url, &crate::store::SCHEMA).with_context(|| format!("database.url {url:?}"))?;
    let store = Store::open(url, config.keys.keyring()?, &config.sho.operator).await?;
    let exposition = service::telemetry::Metrics::new(env!("CARGO_PKG_VERSION"), "sho")?;
    let metrics = Metrics::register(exposition.registry())?;
    store.db.register(exposition.registry())?;
    let rooms = Rooms { store, operator, policy: config.policy.clone(), clock: Clock::system(), metrics };
    let sho = Arc::new(Sho::new(rooms, validator, connectors).with_dpf(dpf));
    let tasks = TaskTracker::new();
    tasks.spawn(sho.outbox.clone().run(Arc::new(Delivery(sho.clone())), stop.clone()));
    tasks.spawn(sweeper::run(sho.clone(), stop.clone()));
    let (db, keys) = (sho.store.db.clone(), sho.store.keyring.clone());
    let settle = config.keys.settle()?;
    tasks.spawn(db.keep_sealed_with_newest(keys, crate::store::SEALED, settle, stop.clone()));
    tasks.spawn(keep_short(sho.store.db.clone(), config.database.retention(), stop.clone()));
    let rest_url = match config.rest.listen {
        None => None,
        Some(listen) => {
            let guard = Guard::new(config.rest.tokens(SCOPES)?);
            let server = HttpServer::bind(listen, config.rest.tls()?, config.rest.limits.clone()).await?;
            let counters = service::health::metrics_router(exposition).layer(guard.require(METRICS));
            let app = router(sho.clone(), &guard).merge(probes(&sho, &stop)).merge(counters);
            let url = server.url();
            tasks.spawn(server.run(app, stop.clone()));
            Some(url)
        }
    };
    if config.connectors.is_empty() {
        tracing::warn!("no connectors are configured: no HSS will know our subscribers");
    }
    Ok(Started { sho, rest_url, stop, tasks, _alone: alone })
}

/// `/healthz` and `/readyz`; they tell nothing and need no token.
fn probes(sho: &Arc<Sho>, stop: &CancellationToken) -> axum::Router {
    Health::new(stop.clone()).database("store", sho.store.db.clone()).router()
}
