//! All roles as processes of their own, as `callhome lab --write-only` configures them, and simulated devices that use
//! them. Each role can be killed, started again, and stopped for a while: so a test holds the flow at a step.

use std::{
    io::ErrorKind,
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use serde_json::Value;

use crate::{
    callhome,
    child::{Child, tail},
    http, ports,
};

/// Until a role is ready, or a condition has come true, on a machine that does other things too.
const LIMIT: Duration = Duration::from_secs(60);

/// A role, by the name of its configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The HSS of the SHO: the ICF's program with other numbers.
    Hss,
    /// ICF.
    Icf,
    /// PVA.
    Pva,
    /// SHO.
    Sho,
    /// DPF.
    Dpf,
    /// DRF.
    Drf,
}

impl Role {
    /// All, those first that others ask.
    pub const ALL: [Self; 6] = [Self::Hss, Self::Icf, Self::Pva, Self::Sho, Self::Dpf, Self::Drf];

    /// As its files are called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hss => "hss",
            Self::Icf => "icf",
            Self::Pva => "pva",
            Self::Sho => "sho",
            Self::Dpf => "dpf",
            Self::Drf => "drf",
        }
    }

    fn subcommand(self) -> &'static str {
        if self == Self::Hss { "icf" } else { self.name() }
    }
}

/// How a device gets online.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It attaches with its PCID.
    Eps,
    /// WLAN or DSL.
    Ip,
}

/// The roles of one lab, running or not.
pub struct Roles {
    folder: tempfile::TempDir,
    running: [Option<Child>; 6],
    places: Vec<String>,
    icf: u16,
    base: u16,
    /// Where the ICF listens for Diameter.
    pub diameter: u16,
    /// Where devices take triggers over CoAP.
    pub coap: u16,
    /// Where the HSS of the SHO listens for Diameter.
    pub hss_diameter: u16,
    token: String,
    tls: Arc<ClientConfig>,
}

impl Roles {
    /// Writes keys, certificates and configurations; starts nothing.
    ///
    /// # Errors
    /// If `callhome lab --write-only` fails.
    pub fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (diameter, icf, coap, base) =
            (ports::free()?, ports::free()?, ports::free()?, ports::free_row(9)?);
        let places: Vec<String> = [
            ("--data", folder.path().to_string_lossy().into_owned()),
            ("--diameter", format!("127.0.0.1:{diameter}")),
            ("--rest", format!("127.0.0.1:{icf}")),
            ("--base-port", base.to_string()),
            ("--coap-port", coap.to_string()),
        ]
        .into_iter()
        .flat_map(|(option, value)| [option.to_owned(), value])
        .collect();
        let mut arguments = vec!["lab", "--write-only"];
        arguments.extend(places.iter().map(String::as_str));
        callhome::run(&arguments)?;
        let token = std::fs::read_to_string(folder.path().join("token"))?.trim().to_owned();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(folder.path().join("pki/root.crt"))?)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            folder,
            running: Default::default(),
            places,
            icf,
            base,
            diameter,
            coap,
            hss_diameter: base + 8,
            token,
            tls: Arc::new(tls),
        })
    }

    /// All roles, running.
    ///
    /// # Errors
    /// If one does not come up.
    pub fn started() -> Result<Self> {
        let mut roles = Self::new()?;
        for role in Role::ALL {
            roles.start(role)?;
        }
        Ok(roles)
    }

    /// Where data, configurations and logs are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// `--data` and the ports: with them `callhome lab --external` and the like find these roles.
    #[must_use]
    pub fn places(&self) -> &[String] {
        &self.places
    }

    /// Starts a role and waits until it is alive.
    ///
    /// # Errors
    /// If it runs already, ends, or does not answer.
    pub fn start(&mut self, role: Role) -> Result<()> {
        ensure!(self.running[role as usize].is_none(), "{} runs already", role.name());
        let mut command = Command::new(callhome::binary()?);
        command.arg(role.subcommand()).arg("--config").arg(self.file(role, "toml")).env("RUST_LOG", "info");
        let name = format!("callhome {}", role.name());
        let mut child = Child::start(&name, command, &self.file(role, "log"))?;
        let until = Instant::now() + LIMIT;
        while !self.request(role, "GET", "/healthz", None).is_ok_and(|answer| answer.status == 200) {
            child.running()?;
            if Instant::now() > until {
                bail!("{name} does not answer after {LIMIT:?}:\n{}", tail(&child.log()));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.running[role as usize] = Some(child);
        Ok(())
    }

    fn file(&self, role: Role, extension: &str) -> PathBuf {
        self.folder.path().join(role.name()).with_extension(extension)
    }

    /// Its process.
    ///
    /// # Errors
    /// If it does not run.
    pub fn process(&mut self, role: Role) -> Result<&mut Child> {
        self.running[role as usize].as_mut().with_context(|| format!("{} does not run", role.name()))
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// If it does not run.
    pub fn kill(&mut self, role: Role) -> Result<()> {
        let child = self.running[role as usize].take();
        child.with_context(|| format!("{} does not run", role.name()))?.kill()
    }

    /// SIGKILL and a new start: a frozen role is not frozen any more.
    ///
    /// # Errors
    /// If it did not run, or does not come up again.
    pub fn restart(&mut self, role: Role) -> Result<()> {
        self.kill(role)?;
        self.start(role)
    }

    /// Stops a role where it is, until it is thawed: whoever asks it waits.
    ///
    /// # Errors
    /// If it does not run.
    pub fn freeze(&mut self, role: Role) -> Result<()> {
        freeze(self.process(role)?)
    }

    /// Lets a frozen role go on.
    ///
    /// # Errors
    /// If it does not run.
    pub fn thaw(&mut self, role: Role) -> Result<()> {
        self.process(role)?.signal("CONT")
    }

    /// Everything that a role has logged, over all its starts.
    #[must_use]
    pub fn log(&self, role: Role) -> String {
        String::from_utf8_lossy(&std::fs::read(self.file(role, "log")).unwrap_or_default()).into_owned()
    }

    /// A request to a role's REST, as administrator.
    ///
    /// # Errors
    /// If there is no answer.
    pub fn request(
        &self,
        role: Role,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<http::Response> {
        let port = match role {
            Role::Icf => return http::request(self.icf, method, path, Some(&self.token), body, &[]),
            Role::Drf => self.base,
            Role::Dpf => self.base + 2,
            Role::Sho => self.base + 4,
            Role::Pva => self.base + 5,
            Role::Hss => self.base + 7,
        };
        let socket = TcpStream::connect(("127.0.0.1", port))?;
        socket.set_read_timeout(Some(Duration::from_secs(20)))?;
        let session = ClientConnection::new(self.tls.clone(), ServerName::try_from("127.0.0.1")?)?;
        let mut stream = StreamOwned::new(session, socket);
        http::exchange(&mut stream, port, method, path, Some(&self.token), body, &[])
    }

    /// What a role answers to GET, which it has to know.
    ///
    /// # Errors
    /// If it does not.
    pub fn get(&self, role: Role, path: &str) -> Result<Value> {
        let answer = self.request(role, "GET", path, None)?;
        ensure!(answer.status == 200, "{}: GET {path}: {}: {}", role.name(), answer.status, answer.body);
        answer.json()
    }

    /// The list of a page, or what is a list itself.
    ///
    /// # Errors
    /// If it is none.
    pub fn items(&self, role: Role, path: &str) -> Result<Vec<Value>> {
        let page = self.get(role, path)?;
        let items = if page.is_array() { &page } else { &page["items"] };
        items.as_array().cloned().with_context(|| format!("{}: {path} is no list: {page}", role.name()))
    }

    /// Starts the next device of the batch, or one that has not come to its end, as a process that ends when it is
    /// through. It says each step as a line of JSON, appended to `log` in the folder.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn device(&self, access: Access, log: &str) -> Result<Child> {
        let mut command = Command::new(callhome::binary()?);
        command.args(["lab", "--external", "--once", "--json", "--access"]);
        command.arg(match access {
            Access::Eps => "3gpp",
            Access::Ip => "non-3gpp",
        });
        command.args(&self.places).env_remove("RUST_LOG");
        Child::start("a device", command, &self.folder.path().join(log))
    }
}

/// Stops a process, and returns when each of its threads has stopped.
///
/// # Errors
/// If it does not run, or goes on.
pub fn freeze(child: &mut Child) -> Result<()> {
    child.signal("STOP")?;
    let tasks = PathBuf::from(format!("/proc/{}/task", child.id()));
    wait("every thread to stop", || {
        for task in std::fs::read_dir(&tasks)? {
            // A thread may end while the list is read.
            let stat = match std::fs::read_to_string(task?.path().join("stat")) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                stat => stat?,
            };
            // proc_pid_stat(5): the state follows the name, which is in parentheses.
            if stat.rsplit_once(") ").is_none_or(|(_, rest)| !rest.starts_with('T')) {
                return Ok(false);
            }
        }
        Ok(true)
    })
}

/// Waits until something is so. What cannot be asked yet is not so yet.
///
/// # Errors
/// If it is not after a minute: with the last error.
pub fn wait(what: &str, mut so: impl FnMut() -> Result<bool>) -> Result<()> {
    let until = Instant::now() + LIMIT;
    loop {
        match so() {
            Ok(true) => return Ok(()),
            Ok(false) => ensure!(Instant::now() < until, "waited {LIMIT:?} for {what}"),
            Err(error) if Instant::now() < until => drop(error),
            Err(error) => return Err(error.context(format!("waited {LIMIT:?} for {what}"))),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The lines of JSON that a device has said.
#[must_use]
pub fn told(log: &str) -> Vec<Value> {
    log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The seed's steps that a device's story tells of, sorted, each once. The attach at its operator has none: its messages
/// have the numbers of the first one. Without an ICF the device itself tells the DRF where it is (step 6).
#[must_use]
pub fn steps(story: &[Value]) -> Vec<u64> {
    let mut steps: Vec<u64> = story
        .iter()
        .filter(|line| line["network"] != "home")
        .filter_map(|line| match line["step"].as_str() {
            Some("drf_asked") => Some(6),
            _ => line["seed"].as_u64().or(line["event"]["seed"].as_u64()),
        })
        .collect();
    steps.sort_unstable();
    steps.dedup();
    steps
}
