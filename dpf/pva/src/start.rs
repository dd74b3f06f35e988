//! From a configuration to a running PVA.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context, bail, ensure};
use schemas::{
    cose::Signer,
    trust::{Anchors, Purpose},
};
use service::{
    api::keep_short, auth::Guard, config::read_private_file, database::Alone, preflight::Preflight,
    serve::HttpServer,
};
use time::OffsetDateTime;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    ca::Authority,
    config::{KeyPairFiles, PvaConfig},
    metrics::Metrics,
    model::Revocation,
    ocsp::{Lookup, Public, Responder},
    procedure::{Limits, Pva, milliseconds},
    rest::{RestState, SCOPES},
    store::Store,
};

/// How often what is out of date is forgotten.
const SWEEP: Duration = Duration::from_secs(600);
/// A nonce is kept this long after it has expired, so that late evidence is told that it is late.
const LATE: Duration = Duration::from_secs(86_400);

/// A running PVA.
pub struct Started {
    /// `https://…` where REST is served, if it is.
    pub rest_url: Option<String>,
    /// `http://…` where the OCSP responder listens.
    pub ocsp_url: String,
    /// The PVA itself.
    pub pva: Arc<Pva>,
    name: String,
    stop: CancellationToken,
    tasks: TaskTracker,
    /// To the end: no second PVA works with the database.
    _alone: Alone,
}

impl std::fmt::Debug for Started {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Started({})", self.name)
    }
}

impl Started {
    /// Where it listens and how to go on, for the one who has started it.
    #[must_use]
    pub fn banner(&self) -> Vec<String> {
        let mut lines = vec![format!("PVA {}", self.name), format!("  OCSP  {}  (no token)", self.ocsp_url)];
        if let Some(url) = &self.rest_url {
            lines.push(format!("  REST  {url}/docs  (metrics: {url}/metrics)"));
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
        self.pva.store.database().close().await;
    }
}

/// Keys, certificates and limits of a configuration.
struct Parts {
    authority: Authority,
    responder: Responder,
    signer: Signer,
    anchors: Anchors,
    limits: Limits,
}

/// What can be said about a configuration without starting anything.
///
/// # Errors
/// The first thing that would keep the PVA from starting.
pub fn check(config: &PvaConfig) -> anyhow::Result<()> {
    parts(config)?;
    if config.rest.listen.is_some() {
        config.rest.tokens(SCOPES)?;
        config.rest.tls()?;
    }
    if let Some(keys) = &config.keys {
        keys.keyring()?;
    }
    Ok(())
}

/// What the PVA needs of this machine when it starts, [`check`] included.
pub async fn preflight(config: &PvaConfig) -> Preflight {
    let mut preflight = Preflight::default();
    preflight.log(&config.log);
    preflight.keep(check(config));
    preflight.database(&config.database.url, &crate::store::SCHEMA, None).await;
    preflight.tcp("ocsp.listen", config.ocsp.listen).await;
    preflight.certificate("pva.platform_ca.cert", &config.pva.platform_ca.cert);
    preflight.certificate("pva.signing.cert", &config.pva.signing.cert);
    preflight.rest(&config.rest).await;
    preflight
}

/// Starts everything; when it returns, REST and OCSP answer.
///
/// # Errors
/// What could not be started, and what to do.
pub async fn start(config: PvaConfig, stop: CancellationToken) -> anyhow::Result<Started> {
    check(&config)?;
    let Parts { authority, responder, signer, anchors, limits } = parts(&config)?;
    let url = &config.database.url;
    let place = || format!("database.url {url:?}");
    let alone = Alone::take(url, &crate::store::SCHEMA).with_context(place)?;
    let store = Store::open(url).await.with_context(place)?;
    let exposition = service::telemetry::Metrics::new(env!("CARGO_PKG_VERSION"), "pva")?;
    let metrics = Metrics::register(exposition.registry())?;
    store.database().register(exposition.registry())?;
    let pva = Arc::new(Pva { store, authority, signer, anchors, limits, metrics });
    let tasks = TaskTracker::new();

    let server = HttpServer::bind(config.ocsp.listen, None, config.ocsp.limits.clone())
        .await
        .context("ocsp.listen")?;
    let ocsp_url = server.url();
    let public = Public::new(
        responder,
        Certificates(pva.store.clone()),
        config.ocsp.validity.0,
        &config.ocsp.url,
        pva.metrics.ocsp.clone(),
    );
    let ocsp = crate::ocsp::router(public);
    let rest = match config.rest.listen {
        None => None,
        Some(listen) => {
            let guard = Guard::new(config.rest.tokens(SCOPES)?);
            let server = HttpServer::bind(listen, config.rest.tls()?, config.rest.limits.clone())
                .await
                .context("rest.listen")?;
            let counters =
                service::health::metrics_router(exposition).layer(guard.require(service::role::METRICS));
            let app = crate::rest::router(RestState::new(Arc::clone(&pva)), &guard)
                .merge(probes(&pva.store, &stop))
                .merge(counters);
            Some((server, app))
        }
    };
    // Nothing fails from here on: what listens is served.
    tasks.spawn(server.run(ocsp, stop.clone()));
    let rest_url = rest.map(|(server, app)| {
        let url = server.url();
        tasks.spawn(server.run(app, stop.clone()));
        url
    });
    tasks.spawn(keep_short(pva.store.database().clone(), config.database.retention(), stop.clone()));
    tasks.spawn(sweep(pva.store.clone(), config.pva.keep_verdicts.0, stop.clone()));
    Ok(Started { rest_url, ocsp_url, pva, name: config.pva.name, stop, tasks, _alone: alone })
}

fn parts(config: &PvaConfig) -> anyhow::Result<Parts> {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let (cert, key) = read(&config.pva.platform_ca).context("pva.platform_ca")?;
    let url = &config.ocsp.url;
    if !(url.starts_with("http://") || url.starts_with("https://")) || !url.is_ascii() {
        bail!("ocsp.url: {url:?} has to begin with http:// (RFC 6960 appendix A.1)");
    }
    let authority = Authority::new(&cert, &key, url).context("pva.platform_ca")?;
    let (cert, key) = read(&config.ocsp.signing).context("ocsp.signing")?;
    let responder = Responder::new(&cert, &key, authority.der()).context("ocsp.signing")?;
    responder.issued_by(authority.der()).context("ocsp.signing")?;
    ensure!(
        responder.is_authorised(now),
        "ocsp.signing: the certificate is not in force; make another with `callhome pki`"
    );
    let path = &config.pva.anchors;
    let anchors = std::fs::read(path).with_context(|| format!("pva.anchors: {}", path.display()))?;
    let anchors = Anchors::from_pem(&anchors).with_context(|| format!("pva.anchors: {}", path.display()))?;
    let (cert, key) = read(&config.pva.signing).context("pva.signing")?;
    let signer = Signer::from_pem(&key, &cert).context("pva.signing")?;
    // Relying parties would not take a verdict signed with it.
    let chain: Vec<Vec<u8>> = schemas::trust::chain_from_pem(&cert)?.iter().map(|der| der.to_vec()).collect();
    anchors.verify(&chain, Purpose::Verdict, now.unsigned_abs()).context("pva.signing")?;
    Ok(Parts { authority, responder, signer, anchors, limits: limits(config)? })
}

fn limits(config: &PvaConfig) -> anyhow::Result<Limits> {
    let seconds = |key: &str, span: service::config::Span| {
        u32::try_from(span.0.as_secs()).with_context(|| format!("{key}: {span} is too long"))
    };
    let pva = &config.pva;
    let spans = [
        ("pva.nonce_lifetime", pva.nonce_lifetime),
        ("pva.max_age", pva.max_age),
        ("pva.verdict_lifetime", pva.verdict_lifetime),
        ("pva.certificate_lifetime", pva.certificate_lifetime),
        ("pva.keep_verdicts", pva.keep_verdicts),
        ("ocsp.validity", config.ocsp.validity),
    ];
    for (key, span) in spans {
        ensure!(seconds(key, span)? > 0, "{key}: has to be at least 1s");
    }
    Ok(Limits {
        nonce_lifetime: pva.nonce_lifetime.0,
        max_age: seconds("pva.max_age", pva.max_age)?,
        clock_skew: seconds("pva.clock_skew", pva.clock_skew)?,
        verdict_lifetime: pva.verdict_lifetime.0,
        certificate_lifetime: pva.certificate_lifetime.0,
    })
}

fn read(files: &KeyPairFiles) -> anyhow::Result<(Vec<u8>, zeroize::Zeroizing<Vec<u8>>)> {
    let certificate = |path: &Path| std::fs::read(path).with_context(|| path.display().to_string());
    Ok((certificate(&files.cert)?, read_private_file(&files.key)?))
}

/// What the OCSP responder sees of the store.
struct Certificates(Store);

impl Lookup for Certificates {
    async fn revocation(&self, serial: &[u8]) -> Result<Option<Option<Revocation>>, String> {
        self.0.revocation(serial).await.map_err(|error| error.to_string())
    }
}

/// `/healthz` and `/readyz`; they tell nothing and need no token.
fn probes(store: &Store, stop: &CancellationToken) -> axum::Router {
    service::health::Health::new(stop.clone()).database("store", store.database().clone()).router()
}

/// Forgets what is out of date, until `stop`.
async fn sweep(store: Store, keep_verdicts: Duration, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(SWEEP);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let now = OffsetDateTime::now_utc();
        match store.forget(milliseconds(now - LATE), milliseconds(now - keep_verdicts)).await {
            Ok((0, 0)) => {}
            Ok((nonces, verdicts)) => tracing::debug!(nonces, verdicts, "forgotten"),
            Err(error) => tracing::warn!(%error, "what is out of date cannot be forgotten"),
        }
    }
}
