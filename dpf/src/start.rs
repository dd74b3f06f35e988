//! From a configuration to a running DPF.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context, ensure};
use schemas::{
    cose::{Signer, public_from_pem},
    trust::{Anchors, Purpose, ServerRole, chain_from_pem},
};
use service::{
    api::keep_short,
    auth::{Guard, Tokens},
    client::RoleClient,
    config::read_private_file,
    database::Alone,
    ocsp::Revocation,
    outbox::{Outbox, Policy},
    preflight::Preflight,
    role::PeerRole,
    serve::HttpServer,
    throttle::Guesses,
    tls::{self, ClientCertificates, MinVersion, ServerTls},
};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::{self, DpfConfig},
    deliver::Messenger,
    device::DeviceState,
    metrics::Metrics,
    model::seconds,
    procedure::{Dpf, Limits, Operator},
    rest::{RestState, check_tokens, scopes},
    store::Store,
    sweeper,
    waiting::Waiting,
};

/// Platform certificates that the PVA is asked for at a time.
const CERTIFY_AT_ONCE: usize = 8;

/// A running DPF.
pub struct Started {
    /// `https://…` where REST is served, if it is.
    pub rest_url: Option<String>,
    /// `https://…` where devices are served.
    pub device_url: String,
    /// The DPF itself.
    pub dpf: Arc<Dpf>,
    resumed: usize,
    /// To the end: no second DPF works with the database.
    _alone: Alone,
}

impl std::fmt::Debug for Started {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Started({})", self.device_url)
    }
}

impl Started {
    /// Where it listens and how to go on, for the one who has started it.
    #[must_use]
    pub fn banner(&self) -> Vec<String> {
        let mut operators: Vec<&str> = self.dpf.operators.keys().map(|id| id.as_str()).collect();
        operators.sort_unstable();
        let operators =
            if operators.is_empty() { "none: add [[operators]]".to_owned() } else { operators.join(", ") };
        let mut lines = vec![
            format!("DPF for operators {operators}"),
            format!("  devices  {}  (TLS 1.3)", self.device_url),
        ];
        if let Some(url) = &self.rest_url {
            lines.push(format!("  REST     {url}/docs  (metrics: {url}/metrics)"));
        }
        if self.resumed > 0 {
            lines.push(format!("  {} sessions go on where they were", self.resumed));
        }
        lines
    }

    /// Waits until it was told to stop, and for what is under way.
    pub async fn wait(self) {
        self.dpf.stop.cancelled().await;
        self.dpf.tasks.close();
        if tokio::time::timeout(Duration::from_secs(15), self.dpf.tasks.wait()).await.is_err() {
            tracing::warn!("something did not end in time");
        }
        self.dpf.store.database().close().await;
    }
}

/// What a configuration becomes.
struct Parts {
    anchors: Anchors,
    platform_anchors: Anchors,
    operators: HashMap<schemas::identity::OperatorId, Operator>,
    pva: RoleClient,
    drf: RoleClient,
    icf: Option<RoleClient>,
    limits: Limits,
    revocation: Revocation,
    device_tls: Arc<rustls::ServerConfig>,
}

/// What can be said about a configuration without starting anything.
///
/// # Errors
/// The first thing that would keep the DPF from starting.
pub fn check(config: &DpfConfig) -> anyhow::Result<()> {
    parts(config)?;
    if config.rest.listen.is_some() {
        tokens(config)?;
        config.rest.tls()?;
    }
    if let Some(keys) = &config.keys {
        keys.keyring()?;
    }
    Ok(())
}

/// What the DPF needs of this machine and of others when it starts, [`check`] included.
pub async fn preflight(config: &DpfConfig) -> Preflight {
    let mut preflight = Preflight::default();
    preflight.log(&config.log);
    preflight.keep(check(config));
    preflight.database(&config.database.url, &crate::store::SCHEMA, None).await;
    preflight.tcp("device.listen", config.device.listen).await;
    preflight.certificate("device.tls.cert", &config.device.tls.cert);
    preflight.rest(&config.rest).await;
    for (key, role, peer) in [
        ("drf", ServerRole::Drf, Some(&config.drf)),
        ("pva", ServerRole::Pva, Some(&config.pva)),
        ("icf", ServerRole::Icf, config.icf.as_ref()),
    ] {
        if let Some(Ok(client)) = peer.map(|peer| RoleClient::new(role, peer)) {
            preflight.role(key, &client).await;
        }
    }
    preflight
}

/// Starts everything; when it returns, REST and devices are served, and sessions go on where they were.
///
/// # Errors
/// What could not be started, and what to do.
pub async fn start(config: DpfConfig, stop: CancellationToken) -> anyhow::Result<Started> {
    check(&config)?;
    let parts = parts(&config)?;
    let url = &config.database.url;
    let place = || format!("database.url {url:?}");
    let alone = Alone::take(url, &crate::store::SCHEMA).with_context(place)?;
    let store = Store::open(url).await.with_context(place)?;
    let exposition = service::telemetry::Metrics::new(env!("CARGO_PKG_VERSION"), "dpf")?;
    let metrics = Metrics::register(exposition.registry())?;
    store.database().register(exposition.registry())?;
    metrics.set(&store.counts().await?);
    let policy = Policy {
        first: config.dpf.retry_first.0,
        max: config.dpf.retry_max.0.max(config.dpf.retry_first.0),
        parallel: config.dpf.parallel,
        ..Policy::default()
    };
    let outbox = Outbox::new(store.database().clone(), policy);
    let dpf = Arc::new(Dpf {
        store,
        operators: parts.operators,
        pva: parts.pva,
        pva_turns: Semaphore::new(config.dpf.parallel),
        certify_turns: Semaphore::new(CERTIFY_AT_ONCE),
        drf: parts.drf,
        icf: parts.icf,
        anchors: parts.anchors,
        platform_anchors: parts.platform_anchors,
        limits: parts.limits,
        revocation: parts.revocation,
        guesses: Guesses::default(),
        metrics,
        outbox: outbox.clone(),
        stop: stop.clone(),
        tasks: TaskTracker::new(),
        waiting: Waiting::default(),
        driving: Mutex::new(HashSet::new()),
        opening: Mutex::new(HashSet::new()),
        noted: service::api::Trickle::new(service::api::ENTRIES_AT_ONCE),
    });

    let limits = config.device.limits.clone();
    let devices = HttpServer::bind(config.device.listen, Some(parts.device_tls), limits)
        .await
        .context("device.listen")?;
    let rest = match config.rest.listen {
        None => None,
        Some(listen) => {
            let guard = Guard::new(tokens(&config)?);
            let server = HttpServer::bind(listen, config.rest.tls()?, config.rest.limits.clone())
                .await
                .context("rest.listen")?;
            let counters =
                service::health::metrics_router(exposition).layer(guard.require(service::role::METRICS));
            let app = crate::rest::router(RestState::new(Arc::clone(&dpf)), &guard)
                .merge(probes(&dpf.store, &stop))
                .merge(counters);
            Some((server, app))
        }
    };
    // Nothing fails from here on but the database: what listens is served.
    let resumed = dpf.resume().await?;
    let device_url = devices.url();
    let tasks = &dpf.tasks;
    tasks.spawn(devices.run(crate::device::router(DeviceState(Arc::clone(&dpf))), stop.clone()));
    let rest_url = rest.map(|(server, app)| {
        let url = server.url();
        tasks.spawn(server.run(app, stop.clone()));
        url
    });
    tasks.spawn(outbox.run(Arc::new(Messenger(Arc::clone(&dpf))), stop.clone()));
    tasks.spawn(keep_short(dpf.store.database().clone(), config.database.retention(), stop.clone()));
    tasks.spawn(sweeper::run(Arc::clone(&dpf), config.dpf.sweep.0, config.dpf.keep_sessions.0));
    Ok(Started { rest_url, device_url, dpf, resumed, _alone: alone })
}

fn tokens(config: &DpfConfig) -> anyhow::Result<Tokens> {
    check_tokens(&config.rest.tokens)?;
    let scopes = scopes(config.operators.iter().map(|operator| &operator.id));
    let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
    Ok(config.rest.tokens(&scopes)?)
}

fn parts(config: &DpfConfig) -> anyhow::Result<Parts> {
    // Clients of other roles need it, wherever this is started from.
    tls::install_provider();
    let dpf = &config.dpf;
    let spans = [
        ("dpf.session_lifetime", dpf.session_lifetime),
        ("dpf.generated_lifetime", dpf.generated_lifetime),
        ("dpf.keep_sessions", dpf.keep_sessions),
    ];
    for (key, span) in spans {
        ensure!(span.0 >= Duration::from_secs(1), "{key}: has to be at least 1s");
    }
    ensure!(!dpf.retry_first.0.is_zero(), "dpf.retry_first: has to be more than nothing");
    ensure!(dpf.sessions_per_hour > 0, "dpf.sessions_per_hour: has to be at least 1");
    ensure!((1..=1024).contains(&dpf.parallel), "dpf.parallel: 1 to 1024");
    let anchors = anchors("dpf.anchors", &dpf.anchors)?;
    let platform_anchors = self::anchors("device.platform_ca", &config.device.platform_ca)?;
    let issuers = std::fs::read(&config.device.platform_ca).context("device.platform_ca")?;
    let revocation = Revocation::new(&config.device.ocsp, &issuers).context("device")?;
    let mut operators = HashMap::new();
    for operator in &config.operators {
        let made = self::operator(operator, &anchors, dpf.parallel)
            .with_context(|| format!("operators: {}", operator.id))?;
        let twice = operators.insert(operator.id.clone(), made).is_some();
        ensure!(!twice, "operators: {} is there twice", operator.id);
    }
    // Without a triple to show, a device without certificate has nothing to say.
    let clients =
        if config.icf.is_some() { ClientCertificates::Optional } else { ClientCertificates::Required };
    let server = ServerTls {
        cert_file: config.device.tls.cert.clone(),
        key_file: config.device.tls.key.clone(),
        client_ca_file: Some(config.device.platform_ca.clone()),
        client_certificates: Some(clients),
        min_version: MinVersion::Tls13,
    };
    let device_tls = tls::server_config(&server, tls::HTTP_ALPN).context("device.tls")?;
    let client = |role: ServerRole, section: &str, peer: &PeerRole| {
        RoleClient::new(role, peer).with_context(|| section.to_owned())
    };
    Ok(Parts {
        anchors,
        platform_anchors,
        operators,
        pva: client(ServerRole::Pva, "pva", &config.pva)?,
        drf: client(ServerRole::Drf, "drf", &config.drf)?,
        icf: config.icf.as_ref().map(|icf| client(ServerRole::Icf, "icf", icf)).transpose()?,
        limits: Limits {
            session_lifetime: dpf.session_lifetime.0,
            report_grace: dpf.report_grace.0,
            generated_lifetime: dpf.generated_lifetime.0,
            retry_first: dpf.retry_first.0,
            retry_max: dpf.retry_max.0.max(dpf.retry_first.0),
            longest_wait: dpf.longest_wait.0,
            open_sessions: dpf.open_sessions,
            sessions_per_hour: dpf.sessions_per_hour,
        },
        revocation,
        device_tls,
    })
}

fn anchors(key: &str, path: &Path) -> anyhow::Result<Anchors> {
    let at = || format!("{key}: {}", path.display());
    let pem = std::fs::read(path).with_context(at)?;
    Anchors::from_pem(&pem).with_context(at)
}

fn operator(config: &config::Operator, anchors: &Anchors, parallel: usize) -> anyhow::Result<Operator> {
    let client = RoleClient::new(ServerRole::Sho(config.id.clone()), &config.peer())?;
    let sealing = match &config.sealing_key {
        None => None,
        Some(path) => {
            let at = || format!("sealing_key: {}", path.display());
            let pem = std::fs::read_to_string(path).with_context(at)?;
            Some(public_from_pem(&pem).with_context(at)?)
        }
    };
    let signer = match &config.payload_signing {
        None => None,
        Some(files) => {
            let at = || format!("payload_signing: {}", files.cert.display());
            let pem = std::fs::read(&files.cert).with_context(at)?;
            let key = read_private_file(&files.key).context("payload_signing")?;
            let chain: Vec<Vec<u8>> =
                chain_from_pem(&pem).with_context(at)?.iter().map(|der| der.to_vec()).collect();
            // Devices would not take what is signed with another.
            let leaf = anchors.verify(&chain, Purpose::Payload, seconds()).with_context(at)?;
            ensure!(
                leaf.name == config.id.as_str(),
                "payload_signing: the certificate is {:?}'s; the operator has to issue one with its own name",
                leaf.name
            );
            Some(Signer::from_pem(&key, &pem).with_context(at)?)
        }
    };
    ensure!(
        signer.is_none() || sealing.is_some(),
        "payload_signing without sealing_key: the operator has to learn what is made for it"
    );
    Ok(Operator { client, turns: Semaphore::new(parallel), sealing, signer })
}

/// `/healthz` and `/readyz`; they tell nothing and need no token.
fn probes(store: &Store, stop: &CancellationToken) -> axum::Router {
    service::health::Health::new(stop.clone()).database("store", store.database().clone()).router()
}
