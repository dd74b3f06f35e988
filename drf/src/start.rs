//! From a configuration to a running DRF.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, bail, ensure};
use schemas::{cose::Signer, identity::OperatorId, trust::ServerRole};
use service::{
    api::keep_short,
    auth::{Guard, Tokens},
    client::RoleClient,
    config::read_private_file,
    database::{Alone, Database},
    ocsp::Revocation,
    outbox::{self, Outbox},
    preflight::Preflight,
    serve::HttpServer,
    tls::{ClientCertificates, HTTP_ALPN, MinVersion, ServerTls},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    coap::{endpoint::Endpoint, exchange::Transmission},
    config::DrfConfig,
    deliver::Postman,
    desk::{Desk, Policy, wall_clock},
    device::Door,
    metrics::Metrics,
    rest::{OPERATOR_MAY, OPERATOR_SCOPE, RestState, SCOPES},
    store::{self, Operator},
    trigger::Terms,
};

/// How often notices that wait are looked at again, and what is old forgotten.
const SWEEP: Duration = Duration::from_secs(30);
/// Devices that are being triggered at a time: each may take a minute and a half to be found silent.
const PARALLEL: usize = 1024;

/// A running DRF.
pub struct Started {
    /// `https://…` where devices come, if they do.
    pub device_url: Option<String>,
    /// Where CoAP is spoken.
    pub coap: SocketAddr,
    /// `https://…` or `http://…` where REST is served, if it is.
    pub rest_url: Option<String>,
    /// The DRF itself.
    pub desk: Desk,
    stop: CancellationToken,
    tasks: TaskTracker,
    /// To the end: no second DRF works with the database.
    _alone: Alone,
}

impl std::fmt::Debug for Started {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Started({})", self.coap)
    }
}

impl Started {
    /// Where it listens and how to go on, for the one who has started it.
    #[must_use]
    pub fn banner(&self) -> Vec<String> {
        let mut lines = vec![format!("DRF, registration operator {}", self.desk.policy.operator)];
        if let Some(url) = &self.device_url {
            lines.push(format!("  devices  {url}/device/v1  (platform certificate, or call-home triple)"));
        }
        lines.push(format!("  CoAP     coap://{}/rnct", self.coap));
        if let Some(url) = &self.rest_url {
            lines.push(format!("  REST     {url}/docs  (metrics: {url}/metrics)"));
        }
        lines
    }

    /// Waits until it was told to stop, and for what is under way.
    pub async fn wait(self) {
        self.stop.cancelled().await;
        self.tasks.close();
        if tokio::time::timeout(Duration::from_secs(15), self.tasks.wait()).await.is_err() {
            tracing::warn!("something did not end in time");
        }
        self.desk.db.close().await;
    }
}

/// What can be said about a configuration without starting anything.
///
/// # Errors
/// The first thing that would keep the DRF from starting.
pub fn check(config: &DrfConfig) -> anyhow::Result<()> {
    policy(config)?;
    signer(config)?;
    device_tls(config)?;
    revocation(config)?;
    if config.rest.listen.is_some() {
        tokens(config)?;
        config.rest.tls()?;
    }
    config.keys.keyring()?;
    config.keys.settle()?;
    icf(config)?;
    Ok(())
}

/// What the DRF needs of this machine and of others when it starts, [`check`] included.
pub async fn preflight(config: &DrfConfig) -> Preflight {
    let mut preflight = Preflight::default();
    preflight.log(&config.log);
    preflight.keep(check(config));
    let keys = config.keys.keyring().ok();
    preflight.database(&config.database.url, &store::SCHEMA, keys.as_ref()).await;
    preflight.udp("coap.listen", config.coap.listen);
    preflight.certificate("drf.signing.cert", &config.drf.signing.cert);
    if let Some(device) = &config.device {
        preflight.tcp("device.listen", device.listen).await;
        preflight.certificate("device.tls.cert", &device.tls.cert);
    }
    preflight.rest(&config.rest).await;
    if let Ok(Some(client)) = icf(config) {
        preflight.role("icf", &client).await;
    }
    preflight
}

fn icf(config: &DrfConfig) -> anyhow::Result<Option<RoleClient>> {
    config.icf.as_ref().map(|icf| RoleClient::new(ServerRole::Icf, icf)).transpose().context("icf")
}

fn policy(config: &DrfConfig) -> anyhow::Result<Policy> {
    let drf = &config.drf;
    ensure!(
        drf.dpf.starts_with("https://"),
        "drf.dpf: {:?} has to begin with https://: devices take no other (docs/PROVISIONING.md)",
        drf.dpf
    );
    ensure!(drf.rnct_lifetime.0 >= Duration::from_secs(1), "drf.rnct_lifetime: has to be at least 1s");
    ensure!(!drf.full_profile.is_empty(), "drf.full_profile: name the ICF's profile for devices that stay");
    ensure!(config.coap.device_port != 0, "coap.device_port: 1 to 65535; devices listen on 5683 as a rule");
    let terms = Terms {
        dpf: drf.dpf.clone(),
        lifetime: drf.rnct_lifetime.0,
        napdef: drf.napdef.clone(),
        m2m: drf.m2m.clone(),
    };
    Ok(Policy {
        operator: drf.operator.clone(),
        terms,
        after_success: drf.after_success,
        full_profile: drf.full_profile.clone(),
        device_port: config.coap.device_port,
        icf: config.icf.is_some(),
        trigger_networks: drf.trigger_networks.clone(),
    })
}

fn signer(config: &DrfConfig) -> anyhow::Result<Signer> {
    let files = &config.drf.signing;
    let read = |path: &Path| std::fs::read(path).with_context(|| format!("drf.signing: {}", path.display()));
    let key = read_private_file(&files.key).context("drf.signing.key")?;
    Signer::from_pem(&key, &read(&files.cert)?).context("drf.signing: `callhome pki` makes both files")
}

fn device_tls(config: &DrfConfig) -> anyhow::Result<Option<Arc<rustls::ServerConfig>>> {
    let Some(device) = &config.device else { return Ok(None) };
    let tls = ServerTls {
        cert_file: device.tls.cert.clone(),
        key_file: device.tls.key.clone(),
        client_ca_file: Some(device.platform_ca.clone()),
        // A device without a certificate has its call-home triple.
        client_certificates: Some(ClientCertificates::Optional),
        min_version: MinVersion::Tls13,
    };
    service::tls::server_config(&tls, HTTP_ALPN).map(Some).context("device.tls, device.platform_ca")
}

fn revocation(config: &DrfConfig) -> anyhow::Result<Option<Revocation>> {
    let Some(device) = &config.device else { return Ok(None) };
    let at = || format!("device.platform_ca: {}", device.platform_ca.display());
    let issuers = std::fs::read(&device.platform_ca).with_context(at)?;
    Revocation::new(&device.ocsp, &issuers).map(Some).context("device")
}

/// The tokens. One with a scope `operator:⟨id⟩` sees and binds that operator's devices alone, and may do nothing that is
/// the registry's.
fn tokens(config: &DrfConfig) -> anyhow::Result<Tokens> {
    let mut scopes: Vec<&str> = SCOPES.to_vec();
    for token in &config.rest.tokens {
        let of: Vec<&str> =
            token.scopes.iter().filter_map(|scope| scope.as_str().strip_prefix(OPERATOR_SCOPE)).collect();
        let Some(operator) = of.first() else { continue };
        let name = &token.name;
        if of.len() > 1 {
            bail!("rest.tokens: {name:?}: a token is of one operator, make one for each");
        }
        operator.parse::<OperatorId>().with_context(|| format!("rest.tokens: {name:?}"))?;
        let other = token.scopes.iter().map(service::auth::Scope::as_str);
        let mut other =
            other.filter(|scope| !scope.starts_with(OPERATOR_SCOPE) && !OPERATOR_MAY.contains(scope));
        if let Some(scope) = other.next() {
            bail!(
                "rest.tokens: {name:?}: an operator's token cannot have the scope {scope}; it may have {}",
                OPERATOR_MAY.join(", ")
            );
        }
        scopes.extend(
            token.scopes.iter().map(service::auth::Scope::as_str).filter(|s| s.starts_with(OPERATOR_SCOPE)),
        );
    }
    Ok(config.rest.tokens(&scopes)?)
}

/// Starts everything; when it returns, devices and other roles are answered.
///
/// # Errors
/// What could not be started, and what to do.
pub async fn start(config: DrfConfig, stop: CancellationToken) -> anyhow::Result<Started> {
    start_with(config, Transmission::default(), outbox::Policy::default(), stop).await
}

/// As [`start`], with other delays.
///
/// # Errors
/// As [`start`].
pub async fn start_with(
    config: DrfConfig,
    transmission: Transmission,
    delays: outbox::Policy,
    stop: CancellationToken,
) -> anyhow::Result<Started> {
    check(&config)?;
    let url = &config.database.url;
    let place = || format!("database.url {url:?}");
    let alone = Alone::take(url, &store::SCHEMA).with_context(place)?;
    let db = Database::open(url, &store::SCHEMA).await.with_context(place)?;
    let keys = config.keys.keyring()?;
    db.check_keys(&keys).await?;
    let exposition = service::telemetry::Metrics::new(env!("CARGO_PKG_VERSION"), "drf")?;
    let metrics = Arc::new(Metrics::register(exposition.registry())?);
    db.register(exposition.registry())?;
    let desk = Desk {
        outbox: Outbox::new(db.clone(), outbox::Policy { parallel: PARALLEL, ..delays }),
        db,
        keys: Arc::new(keys),
        signer: signer(&config)?,
        policy: Arc::new(policy(&config)?),
        clock: wall_clock(),
        metrics,
    };
    enter_registration_operator(&desk).await?;
    let icf = icf(&config)?;
    let door = Door::new(desk.clone(), icf.clone(), revocation(&config)?);
    let listen = config.coap.listen;
    let endpoint = Endpoint::bind(listen, transmission, Arc::new(door.clone())).await;
    let endpoint = Arc::new(endpoint.with_context(|| format!("coap.listen: UDP {listen}: is it taken?"))?);
    let device = match (&config.device, device_tls(&config)?) {
        (Some(device), Some(tls)) => {
            let server = HttpServer::bind(device.listen, Some(tls), device.limits.clone()).await;
            Some(server.context("device.listen")?)
        }
        _ => None,
    };
    let rest = match config.rest.listen {
        None => None,
        Some(listen) => {
            let guard = Guard::new(tokens(&config)?);
            let server = HttpServer::bind(listen, config.rest.tls()?, config.rest.limits.clone()).await;
            let counters =
                service::health::metrics_router(exposition).layer(guard.require(service::role::METRICS));
            let app = crate::rest::router(RestState::new(desk.clone()), &guard)
                .merge(probes(&desk.db, &stop))
                .merge(counters);
            Some((server.context("rest.listen")?, app))
        }
    };
    // Nothing fails from here on: what listens is served.
    let tasks = TaskTracker::new();
    let coap = endpoint.local_addr();
    tasks.spawn(endpoint.clone().run(stop.clone()));
    let device_url = device.map(|server| {
        let url = server.url();
        tasks.spawn(server.run(door.router(), stop.clone()));
        url
    });
    let rest_url = rest.map(|(server, app)| {
        let url = server.url();
        tasks.spawn(server.run(app, stop.clone()));
        url
    });
    let postman = Arc::new(Postman { desk: desk.clone(), endpoint, icf });
    tasks.spawn(desk.outbox.clone().run(postman, stop.clone()));
    tasks.spawn(sweep(desk.clone(), stop.clone()));
    let (db, keys, settle) = (desk.db.clone(), desk.keys.clone(), config.keys.settle()?);
    tasks.spawn(db.keep_sealed_with_newest(keys, crate::claim::SEALED, settle, stop.clone()));
    tasks.spawn(keep_short(desk.db.clone(), config.database.retention(), stop.clone()));
    Ok(Started { device_url, coap, rest_url, desk, stop, tasks, _alone: alone })
}

/// The registration operator is one of the operators: devices can be bound to it.
async fn enter_registration_operator(desk: &Desk) -> anyhow::Result<()> {
    let id = desk.policy.operator.clone();
    let mut tx = desk.db.write().await?;
    if store::operator(&mut tx, &id).await?.is_none() {
        let operator = Operator { name: id.to_string(), id, plmns: vec![], dpf: None };
        store::put_operator(&mut tx, &operator, desk.now()).await?;
    }
    tx.commit().await?;
    Ok(())
}

async fn sweep(desk: Desk, stop: CancellationToken) {
    let mut often = tokio::time::interval(SWEEP);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = often.tick() => {}
        }
        if let Err(error) = desk.sweep().await {
            tracing::error!(%error, "notices that wait cannot be looked at");
        }
    }
}

/// `/healthz` and `/readyz`; they tell nothing and need no token.
fn probes(db: &Database, stop: &CancellationToken) -> axum::Router {
    service::health::Health::new(stop.clone()).database("database", db.clone()).router()
}
