//! From a configuration to a running ICF.

use std::{
    collections::HashMap,
    io::ErrorKind,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use s6a::{
    base::DisconnectCause,
    net::{ApplicationId, Endpoint, Node, NodeConfig, PeerConfig, RELAY, StartError, TlsConfigs},
};
use schemas::trust::ServerRole;
use service::{
    api::{Retention, keep_short},
    auth::Guard,
    client::RoleClient,
    database::SharedLock,
    preflight::Preflight,
    serve::HttpServer,
    tls::{ClientCertificates, ClientTls, MinVersion, ServerTls},
};
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    auc::lease::LeasePolicy,
    chtif::{fetch::Chtif, issuer::StoreIssuer},
    config::{IcfConfig, Peer},
    icf::{
        application::{Icf, PLACES, S6a},
        control::Running,
        delivery_log::DeliveryLog,
        instance::Instance,
        memory::Memory,
        metrics::Metrics,
        nodes::Nodes,
        notices::Notices,
        outbox::Outbox,
        relay::{self, Relay},
        sweeper::Sweeper,
        wake::Wake,
    },
    networks::ServedNetworks,
    procedure::refusal::Causes,
    rest::{RestState, SCOPES, router},
    store::{
        Store,
        sqlite::{OpenOptions, SCHEMA, SqliteStore},
    },
};

/// Opens the database that the configuration names, creating it if it is not there.
///
/// # Errors
/// Which file, what is wrong with it, and what to do.
pub async fn open_store(config: &IcfConfig) -> anyhow::Result<Arc<dyn Store>> {
    Ok(Arc::new(open_database(config).await?))
}

/// As [`open_store`], as what it is.
///
/// # Errors
/// As [`open_store`].
pub async fn open_database(config: &IcfConfig) -> anyhow::Result<SqliteStore> {
    let keyring = config.keys.keyring()?;
    let mark = config.icf.high_water_mark.clone().or_else(|| mark_beside(&config.database.url));
    let options = OpenOptions { pool: config.icf.address_pool, mark, ..OpenOptions::default() };
    SqliteStore::open(&config.database.url, keyring, options)
        .await
        .with_context(|| format!("database.url {:?}", config.database.url))
}

/// `⟨database⟩.mark`; `None` where the URL names no file, which is refused elsewhere.
fn mark_beside(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("sqlite:")?;
    let path = path.strip_prefix("//").unwrap_or(path);
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    (!path.is_empty()).then(|| PathBuf::from(format!("{path}.mark")))
}

/// What can be said about a configuration without starting anything.
///
/// # Errors
/// The first thing that would keep the ICF from starting.
pub fn check(config: &IcfConfig) -> anyhow::Result<()> {
    node_config(config)?;
    Causes::configured(&config.causes)?;
    lease_policy(config)?;
    if config.rest.listen.is_some() {
        config.rest.tokens(SCOPES)?;
        config.rest.tls()?;
    }
    config.keys.keyring()?;
    ensure!(
        config.keys.settle.is_none(),
        "keys.settle: an ICF has none: `callhome keys rotate` says when older at-rest keys may go"
    );
    if let Some(chtif) = &config.icf.chtif {
        Chtif::new(chtif)?;
    }
    if let Some(drf) = &config.drf {
        RoleClient::new(ServerRole::Drf, drf).context("drf")?;
    }
    Ok(())
}

/// What the ICF needs of this machine and of others when it starts, [`check`] included.
pub async fn preflight(config: &IcfConfig) -> Preflight {
    let mut preflight = Preflight::default();
    preflight.log(&config.log);
    preflight.keep(check(config));
    let keys = config.keys.keyring().ok();
    preflight.database(&config.database.url, &SCHEMA, keys.as_ref()).await;
    if let Ok(node) = node_config(config)
        && let Err(errors) = Node::try_start(&node).await
    {
        for error in errors {
            match &error {
                StartError::Listen { source, .. } if source.kind() == ErrorKind::AddrInUse => {
                    preflight.taken(format!("diameter.listen: {error}"));
                }
                _ => preflight.error(error.to_string()),
            }
        }
    }
    if let Some(tls) = &config.diameter.tls {
        preflight.certificate("diameter.tls.cert", &tls.cert);
    }
    preflight.rest(&config.rest).await;
    if let Some(Ok(client)) = config.drf.as_ref().map(|drf| RoleClient::new(ServerRole::Drf, drf)) {
        preflight.role("drf", &client).await;
    }
    preflight
}

/// A running ICF.
pub struct Started {
    /// Its Diameter node.
    pub node: Arc<Node>,
    /// Its store.
    pub store: Arc<dyn Store>,
    /// `http://…` where REST is served, if it is.
    pub rest_url: Option<String>,
    origin: (String, String),
    stop: CancellationToken,
    tasks: TaskTracker,
    instance: Instance,
    /// To the end: tells `config check` that an ICF works with the database.
    _lock: Option<SharedLock>,
}

impl std::fmt::Debug for Started {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Started({})", self.origin.0)
    }
}

impl Started {
    /// Where it listens and how to go on, for the one who has started it.
    #[must_use]
    pub fn banner(&self) -> Vec<String> {
        let mut lines = vec![format!("ICF {} in realm {}", self.origin.0, self.origin.1)];
        lines.extend(self.node.local_endpoints().iter().map(|endpoint| format!("  S6a   {endpoint}")));
        if let Some(url) = &self.rest_url {
            lines.push(format!("  REST  {url}/docs  (metrics: {url}/metrics)"));
        }
        lines
    }

    /// Waits until it was told to stop, then says good-bye to the peers (DPR, RFC 6733 §5.4) and ends.
    ///
    /// # Errors
    /// If it ends since another process has become its instance.
    pub async fn wait(self) -> anyhow::Result<()> {
        self.stop.cancelled().await;
        self.node.shutdown(DisconnectCause::Rebooting).await;
        self.tasks.close();
        if tokio::time::timeout(Duration::from_secs(15), self.tasks.wait()).await.is_err() {
            tracing::warn!("something did not end in time");
        }
        let ended = self.instance.end(&*self.store).await;
        self.store.close().await;
        Ok(ended?)
    }
}

/// Starts everything; when it returns, peers can connect and REST answers.
///
/// # Errors
/// What could not be started, and what to do.
pub async fn start(config: IcfConfig, stop: CancellationToken) -> anyhow::Result<Started> {
    let store = open_store(&config).await?;
    let lock = SharedLock::take(&config.database.url, &SCHEMA);
    Ok(Started { _lock: lock, ..start_with(config, store, stop).await? })
}

/// As [`start`], on a store that is open already.
///
/// # Errors
/// As [`start`].
pub async fn start_with(
    config: IcfConfig,
    store: Arc<dyn Store>,
    stop: CancellationToken,
) -> anyhow::Result<Started> {
    let exposition = service::telemetry::Metrics::new(env!("CARGO_PKG_VERSION"), "icf")?;
    let metrics = Arc::new(Metrics::register(exposition.registry())?);
    let chtif = config.icf.chtif.as_ref().map(Chtif::new).transpose()?;
    let policy = lease_policy(&config)?;
    let address = config.diameter.listen.join(", ");
    let address = if address.is_empty() { &config.diameter.origin_host } else { &address };
    let instance = Instance::take(store.clone(), &config.icf.instance, address, stop.clone()).await?;
    let memory = Memory::start(store.clone(), config.icf.cache, policy, chtif, metrics.clone());
    let memory = Arc::new(memory.leased(instance.lease().clone()));
    let peers = config.diameter.peers.iter();
    let peers: HashMap<String, Option<u8>> =
        peers.map(|p| (p.identity.to_ascii_lowercase(), p.max_vectors)).collect();
    let nodes = Arc::new(Nodes::new(
        store.clone(),
        config.icf.instance.clone(),
        peers,
        config.icf.max_vectors,
        config.icf.nodes_per_peer,
        metrics.clone(),
    ));
    let wake = Arc::new(Wake::default());
    let notices = notices(&config, &*store)?;
    let icf = S6a(Arc::new(Icf {
        memory: memory.clone(),
        nodes: nodes.clone(),
        causes: Causes::configured(&config.causes)?,
        origin_host: config.diameter.origin_host.clone(),
        origin_realm: config.diameter.origin_realm.clone(),
        metrics: metrics.clone(),
        wake: wake.clone(),
        places: Arc::new(Semaphore::new(PLACES)),
        notices: notices.as_ref().map(|(outbox, _)| outbox.clone()),
    }));
    let node = serve(&config, icf).await?;
    let tasks = TaskTracker::new();
    let outbox = Outbox {
        memory: memory.clone(),
        node: node.clone(),
        origin_host: config.diameter.origin_host.clone(),
        origin_realm: config.diameter.origin_realm.clone(),
        metrics,
        wake: wake.clone(),
        log: DeliveryLog::default(),
    };
    tasks.spawn(outbox.run(stop.clone()));
    if let Some(database) = store.outbox() {
        database.register(exposition.registry())?;
        // This audit log counts seconds.
        let retention = Retention { per_second: 1, ..config.database.retention() };
        tasks.spawn(keep_short(database, retention, stop.clone()));
    }
    if let Some((outbox, drf)) = notices {
        tasks.spawn(outbox.run(Arc::new(drf), stop.clone()));
    }
    let (newest, events) = watch::channel(0);
    let sweeper = Sweeper { memory: memory.clone(), wake: wake.clone(), changed: Notify::new(), newest };
    tasks.spawn(sweeper.run(stop.clone()));
    let origin = (config.diameter.origin_host.clone(), config.diameter.origin_realm.clone());
    let running = Running { memory, node: node.clone(), nodes, wake, origin: origin.clone(), newest: events };
    let running = Arc::new(running);
    let rest_url = match config.rest.listen {
        None => None,
        Some(listen) => {
            let guard = Guard::new(config.rest.tokens(SCOPES)?);
            let server = HttpServer::bind(listen, config.rest.tls()?, config.rest.limits.clone()).await?;
            let issuer = Arc::new(StoreIssuer::new(store.clone()));
            let networks = ServedNetworks::configured(&config).map_err(anyhow::Error::msg)?;
            let state = RestState::new(store.clone(), running).with_issuer(issuer).with_networks(networks);
            // The counters name peers: they need a token, too.
            let counters =
                service::health::metrics_router(exposition).layer(guard.require(service::role::METRICS));
            let app = router(state, &guard).merge(probes(&store, &stop)).merge(counters);
            let url = server.url();
            tasks.spawn(server.run(app, stop.clone()));
            Some(url)
        }
    };
    Ok(Started { node, store, rest_url, origin, stop, tasks, instance, _lock: None })
}

/// The node, with the application in front of it that the configuration asks for.
async fn serve(config: &IcfConfig, icf: S6a) -> anyhow::Result<Arc<Node>> {
    let node = node_config(config)?;
    let Some(relay) = &config.relay else {
        return Ok(Arc::new(Node::start(node, Arc::new(icf)).await?));
    };
    let relay = Arc::new(Relay::new(icf, relay).map_err(anyhow::Error::msg)?);
    let node = Arc::new(Node::start(node, relay.clone()).await?);
    relay.runs(&node);
    Ok(node)
}

/// What tells the DRF of attached devices, where one is configured.
fn notices(
    config: &IcfConfig,
    store: &dyn Store,
) -> anyhow::Result<Option<(service::outbox::Outbox, Notices)>> {
    let Some(drf) = &config.drf else { return Ok(None) };
    let client = RoleClient::new(ServerRole::Drf, drf).context("drf")?;
    let database = store.outbox().context("drf: this store keeps no notices; use SQLite")?;
    let outbox = service::outbox::Outbox::new(database, service::outbox::Policy::default());
    Ok(Some((outbox, Notices(client))))
}

/// `/healthz` and `/readyz`; they tell nothing and need no token.
fn probes(store: &Arc<dyn Store>, stop: &CancellationToken) -> axum::Router {
    let store = store.clone();
    let check = move || {
        let store = store.clone();
        async move { store.ping().await.map_err(|error| error.to_string()) }
    };
    service::health::Health::new(stop.clone()).check("store", check).router()
}

fn lease_policy(config: &IcfConfig) -> anyhow::Result<LeasePolicy> {
    LeasePolicy::new(config.icf.lease_first, config.icf.lease_max).context("icf.lease_first, icf.lease_max")
}

/// The Diameter node as configured.
///
/// # Errors
/// Which key cannot be.
pub fn node_config(config: &IcfConfig) -> anyhow::Result<NodeConfig> {
    let diameter = &config.diameter;
    let mut node = NodeConfig::new(diameter.origin_host.clone(), diameter.origin_realm.clone());
    node.host_ip_addresses.clone_from(&diameter.host_ip_addresses);
    node.accept_unknown_peers = diameter.accept_unknown_peers;
    let listen = diameter.listen.iter().map(|text| Endpoint::from_str(text));
    node.listen = listen.collect::<Result<_, _>>().context("diameter.listen")?;
    node.peers = diameter.peers.iter().map(peer).collect::<Result<_, _>>()?;
    let tw = diameter.watchdog.0;
    if tw < Duration::from_secs(6) {
        bail!("diameter.watchdog: {tw:?} is less than the 6 s that RFC 3539 §3.4.1 allows");
    }
    node.timers.watchdog = tw;
    node.timers.request = diameter.request_timeout.0;
    if !(1..=5).contains(&config.icf.max_vectors) {
        bail!("icf.max_vectors: 1 to 5 (TS 29.272 §7.3.17)");
    }
    if let Some(relay) = &config.relay {
        relay::check(relay).map_err(anyhow::Error::msg)?;
        if !diameter.peers.iter().any(|peer| peer.identity.eq_ignore_ascii_case(&relay.hss)) {
            bail!("relay.hss: {:?} has to be one of diameter.peers", relay.hss);
        }
        // RFC 6733 §2.4: who forwards says so in CER and CEA, and is given what is for others.
        node.applications.push(ApplicationId { vendor: 0, id: RELAY, commands: &[] });
    }
    if let Some(tls) = &diameter.tls {
        node.tls = Some(Arc::new(diameter_tls(&tls.cert, &tls.key, &tls.ca)?));
    }
    Ok(node)
}

fn peer(peer: &Peer) -> anyhow::Result<PeerConfig> {
    let place = || format!("diameter.peers: {:?}", peer.identity);
    if peer.max_vectors.is_some_and(|n| !(1..=5).contains(&n)) {
        bail!("{}: max_vectors: 1 to 5 (TS 29.272 §7.3.17)", place());
    }
    let certificate_sha256 = match &peer.certificate_sha256 {
        None => None,
        Some(text) => {
            let mut digest = [0; 32];
            hex::decode_to_slice(text.replace(':', ""), &mut digest)
                .with_context(|| format!("{}: certificate_sha256: 64 hexadecimal digits", place()))?;
            Some(digest)
        }
    };
    let connect = peer.connect.as_deref().map(Endpoint::from_str).transpose().with_context(place)?;
    Ok(PeerConfig {
        identity: peer.identity.clone(),
        realm: peer.realm.clone(),
        addresses: peer.addresses.clone(),
        certificate_names: peer.certificate_names.clone(),
        certificate_sha256,
        connect,
        watchdog: None,
    })
}

/// Mutual TLS for Diameter (RFC 6733 §13.1).
///
/// # Errors
/// Which file is wrong.
pub fn diameter_tls(cert: &Path, key: &Path, ca: &Path) -> anyhow::Result<TlsConfigs> {
    let server = ServerTls {
        cert_file: cert.to_owned(),
        key_file: key.to_owned(),
        client_ca_file: Some(ca.to_owned()),
        client_certificates: Some(ClientCertificates::Required),
        min_version: MinVersion::Tls12,
    };
    let client = ClientTls {
        ca_file: ca.to_owned(),
        cert_file: Some(cert.to_owned()),
        key_file: Some(key.to_owned()),
        min_version: MinVersion::Tls12,
    };
    Ok(TlsConfigs {
        server: service::tls::server_config(&server, &[]).context("diameter.tls")?,
        client: service::tls::client_config(&client, &[]).context("diameter.tls")?,
    })
}
