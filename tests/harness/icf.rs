//! An ICF of a test's own: its folder, its configuration, its ports, its process.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::{Command, ExitStatus},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    aka::Subscriber,
    callhome,
    child::{Child, tail},
    faults::Faults,
    http,
    network::Network,
    peer::Peer,
    pki::{Authority, Identity},
    ports,
    s6a::Route,
};

/// The ICF's name in every test.
pub const HOST: &str = "icf.localdomain";
/// Its realm, and that of the peers.
pub const REALM: &str = "localdomain";
/// The MME that most tests are.
pub const MME: &str = "mme.localdomain";

/// What a test wants to be different.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Identities of the peers.
    pub peers: Vec<String>,
    /// Peers that it connects to, by identity, at a port of this host.
    pub connect: Vec<(String, u16)>,
    /// Whether it listens for TLS too.
    pub tls: bool,
    /// Tw.
    pub watchdog: &'static str,
    /// E-UTRAN vectors in an answer at most.
    pub max_vectors: u32,
    /// The log filter.
    pub log: &'static str,
    /// More lines of `[icf]`.
    pub icf: &'static str,
}

impl Default for Settings {
    fn default() -> Self {
        let (peers, connect) = (vec![MME.into()], Vec::new());
        Self { peers, connect, tls: false, watchdog: "30s", max_vectors: 1, log: "info", icf: "" }
    }
}

/// An ICF, running or not.
pub struct Icf {
    folder: tempfile::TempDir,
    child: Option<Child>,
    /// The host that it is on, if that is not this one.
    host: Option<Network>,
    /// Where it listens for Diameter over SCTP.
    pub sctp: Vec<SocketAddr>,
    /// Where it listens for Diameter over TCP.
    pub diameter: u16,
    /// Where it listens for Diameter over TLS.
    pub tls: Option<u16>,
    /// Where it listens for REST.
    pub rest: u16,
    /// A token that may do everything.
    pub token: String,
    /// Who signs its peers' certificates.
    pub authority: Option<Authority>,
    /// Its disk, where that can be made to fail.
    pub faults: Option<Faults>,
}

impl Icf {
    /// Writes the configuration and the keys; starts nothing.
    ///
    /// # Errors
    /// If a file cannot be written or `callhome keys` fails.
    pub fn new(settings: &Settings) -> Result<Self> {
        Self::on(settings, None)
    }

    /// As [`Icf::new`], on a host of its own: it listens for SCTP on both paths to it.
    ///
    /// # Errors
    /// As [`Icf::new`].
    pub fn over_there(settings: &Settings, host: Network) -> Result<Self> {
        Self::on(settings, Some(host))
    }

    fn on(settings: &Settings, host: Option<Network>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name);
        let (diameter, rest) = (ports::free()?, ports::free()?);
        let tls = settings.tls.then(ports::free).transpose()?;
        let key_file = path("at-rest.key");
        callhome::run(&["keys", "generate", "--out", &key_file.to_string_lossy()])?;
        let printed = callhome::run(&["keys", "token"])?;
        let field = |name: &str| {
            printed
                .lines()
                .filter_map(|line| line.split_once(char::is_whitespace))
                .find_map(|(key, value)| (key == name).then(|| value.trim().to_owned()))
                .with_context(|| format!("`callhome keys token` prints no {name}:\n{printed}"))
        };
        let mut listen = vec![format!("tcp://127.0.0.1:{diameter}")];
        let mut sctp = Vec::new();
        if let Some(host) = &host {
            let port = ports::free()?;
            sctp = host.icf().map(|address| SocketAddr::new(address, port)).into();
            listen.push(format!("sctp://{},{}", sctp[0], sctp[1]));
        }
        let rest_at = host.as_ref().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), Network::icf_rest);
        let mut tls_table = String::new();
        let mut authority = None;
        if let Some(port) = tls {
            listen.push(format!("tls://127.0.0.1:{port}"));
            let made = Authority::new(folder.path())?;
            let Identity { cert, key, ca } = made.identity(HOST)?;
            tls_table = format!("tls = {{ cert = {cert:?}, key = {key:?}, ca = {ca:?} }}");
            authority = Some(made);
        }
        let mut peers: Vec<String> =
            settings.peers.iter().map(|identity| format!("{{ identity = \"{identity}\" }}")).collect();
        peers.extend(settings.connect.iter().map(|(identity, port)| {
            format!("{{ identity = \"{identity}\", connect = \"tcp://127.0.0.1:{port}\" }}")
        }));
        let config = format!(
            "[diameter]\norigin_host = \"{HOST}\"\norigin_realm = \"{REALM}\"\nlisten = {listen:?}\n\
             peers = [{}]\nwatchdog = \"{}\"\n{tls_table}\n\n\
             [database]\nurl = \"sqlite://{}\"\n\n[keys]\nat_rest = {{ file = {key_file:?} }}\n\n\
             [rest]\nlisten = \"{rest_at}:{rest}\"\n\
             tokens = [{{ name = \"tests\", hash = \"{}\", scopes = [\"admin\"] }}]\n\n\
             [icf]\nmax_vectors = {}\naddress_pool = \"10.45.0.0/16\"\n{}\n\n[log]\nfilter = \"{}\"\n",
            peers.join(", "),
            settings.watchdog,
            path("icf.db").display(),
            field("hash")?,
            settings.max_vectors,
            settings.icf,
            settings.log,
        );
        std::fs::write(path("icf.toml"), config)?;
        let token = field("token")?;
        Ok(Self { folder, child: None, host, sctp, diameter, tls, rest, token, authority, faults: None })
    }

    /// A running ICF that knows these subscribers.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn with(settings: &Settings, subscribers: &[Subscriber]) -> Result<Self> {
        let mut icf = Self::new(settings)?;
        icf.start()?;
        icf.provision(subscribers)?;
        Ok(icf)
    }

    /// A running ICF with the default settings, and one subscriber.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn with_one() -> Result<(Self, Subscriber)> {
        let subscriber = Subscriber::random(1)?;
        let icf = Self::with(&Settings::default(), std::slice::from_ref(&subscriber))?;
        Ok((icf, subscriber))
    }

    /// Makes it work with the database and the at-rest keys of `other`.
    ///
    /// # Errors
    /// If its configuration cannot be written.
    pub fn use_database_of(&self, other: &Self) -> Result<()> {
        let mut config = std::fs::read_to_string(self.config())?;
        for file in ["icf.db", "at-rest.key"] {
            let path = |icf: &Self| icf.folder.path().join(file).display().to_string();
            config = config.replace(&path(self), &path(other));
        }
        Ok(std::fs::write(self.config(), config)?)
    }

    /// Runs it to its end: its exit code, and what it has said.
    ///
    /// # Errors
    /// If it has not ended after `limit`.
    pub fn run_to_end(&self, limit: Duration) -> Result<(Option<i32>, String)> {
        let mut command = Command::new(callhome::binary()?);
        command.arg("icf").arg("--config").arg(self.config()).env_remove("RUST_LOG");
        let mut child = Child::start("callhome icf", command, &self.folder.path().join("end.log"))?;
        let status = child.wait(limit)?;
        Ok((status.code(), child.log()))
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("icf.toml")
    }

    /// Creates credentials over REST; it has to run.
    ///
    /// # Errors
    /// If one is refused.
    pub fn provision(&self, subscribers: &[Subscriber]) -> Result<()> {
        for subscriber in subscribers {
            self.rest_ok("POST", "/v1/credentials", Some(&serde_json::from_str(&subscriber.line())?))?;
        }
        Ok(())
    }

    /// `callhome credentials import`.
    ///
    /// # Errors
    /// If the import is refused.
    pub fn import(&self, subscribers: &[Subscriber]) -> Result<()> {
        let file = self.folder.path().join("import.ndjson");
        let lines: String = subscribers.iter().map(|subscriber| subscriber.line() + "\n").collect();
        std::fs::write(&file, lines)?;
        callhome::run(&[
            "credentials",
            "import",
            &file.to_string_lossy(),
            "--config",
            &self.config().to_string_lossy(),
        ])?;
        Ok(())
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// If it ends or is not ready within a minute.
    pub fn start(&mut self) -> Result<()> {
        self.start_within(Duration::from_secs(60))
    }

    /// As [`Icf::start`], with another time to become ready in.
    ///
    /// # Errors
    /// If it ends or is not ready within `limit`.
    pub fn start_within(&mut self, limit: Duration) -> Result<()> {
        let mut command = match &self.host {
            None => Command::new(callhome::binary()?),
            Some(host) => host.icf_command(&callhome::binary()?)?,
        };
        command.arg("icf").arg("--config").arg(self.config()).env_remove("RUST_LOG");
        if let Some(faults) = &self.faults {
            faults.environment(&mut command);
        }
        let mut child = Child::start("callhome icf", command, &self.folder.path().join("icf.log"))?;
        let until = Instant::now() + limit;
        loop {
            child.running()?;
            if http::request_to(self.rest_address(), "GET", "/readyz", None, None, &[])
                .is_ok_and(|answer| answer.status == 200)
            {
                break;
            }
            if Instant::now() > until {
                bail!("callhome icf is not ready after {limit:?}:\n{}", tail(&child.log()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.child = Some(child);
        Ok(())
    }

    /// Its process.
    ///
    /// # Errors
    /// If it has not been started.
    pub fn process(&mut self) -> Result<&mut Child> {
        self.child.as_mut().context("the ICF is not running")
    }

    /// SIGTERM, and how it ended.
    ///
    /// # Errors
    /// If it is still there after a minute.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        let mut child = self.child.take().context("the ICF is not running")?;
        child.signal("TERM")?;
        child.wait(Duration::from_secs(60))
    }

    /// SIGKILL while other threads hold it; [`Icf::kill`] is to follow.
    ///
    /// # Errors
    /// If it is not running.
    pub fn signal_kill(&self) -> Result<()> {
        self.child.as_ref().context("the ICF is not running")?.signal_now("KILL")
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// If it is not running.
    pub fn kill(&mut self) -> Result<()> {
        self.child.take().context("the ICF is not running")?.kill()
    }

    /// Everything it has logged, over all its starts.
    #[must_use]
    pub fn log(&self) -> String {
        let octets = std::fs::read(self.folder.path().join("icf.log")).unwrap_or_default();
        String::from_utf8_lossy(&octets).into_owned()
    }

    /// How the peer `host` addresses it.
    #[must_use]
    pub fn route(&self, host: &str) -> Route {
        Route { host: host.into(), realm: REALM.into(), hss: HOST.into(), hss_realm: REALM.into() }
    }

    /// A Diameter connection over TCP as `host`.
    ///
    /// # Errors
    /// If it is refused.
    pub fn connect(&self, host: &str) -> Result<Peer> {
        Peer::connect(self.diameter, &self.route(host))
    }

    fn rest_address(&self) -> SocketAddr {
        let host = self.host.as_ref().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), Network::icf_rest);
        SocketAddr::new(host, self.rest)
    }

    /// The cables to its host.
    ///
    /// # Errors
    /// If it is on this one.
    pub fn network(&self) -> Result<&Network> {
        self.host.as_ref().context("the ICF is on this host")
    }

    /// A REST request with the token.
    ///
    /// # Errors
    /// If there is no answer.
    pub fn rest(&self, method: &str, path: &str, body: Option<&serde_json::Value>) -> Result<http::Response> {
        http::request_to(self.rest_address(), method, path, Some(&self.token), body, &[])
    }

    /// As [`Icf::rest`]; anything but a 2xx is an error.
    ///
    /// # Errors
    /// If it is refused: with what it says.
    pub fn rest_ok(
        &self,
        method: &str,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<http::Response> {
        let answer = self.rest(method, path, body)?;
        ensure!(answer.status / 100 == 2, "{method} {path} is answered {}: {}", answer.status, answer.body);
        Ok(answer)
    }
}
