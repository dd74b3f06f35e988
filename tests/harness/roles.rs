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
    faults::Faults,
    gate::Gate,
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
    /// Whose network lends the first attach: `--visited` of the lab.
    pub visited: &'static str,
    token: String,
    tls: Arc<ClientConfig>,
    faults: Option<Faults>,
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
            visited: "other",
            token,
            tls: Arc::new(tls),
            faults: None,
        })
    }

    /// Has the roles that are started from now on work on a disk that can be made to fail.
    ///
    /// # Errors
    /// If the library for it cannot be compiled.
    pub fn on_a_failing_disk(&mut self) -> Result<&Faults> {
        let faults = Faults::below(self.folder.path())?;
        Ok(self.faults.insert(faults))
    }

    /// The disk of [`on_a_failing_disk`](Self::on_a_failing_disk).
    ///
    /// # Errors
    /// If there is none.
    pub fn faults(&self) -> Result<&Faults> {
        self.faults.as_ref().context("the roles are not on a failing disk")
    }

    /// All roles, running.
    ///
    /// # Errors
    /// If one does not come up.
    pub fn started() -> Result<Self> {
        let mut roles = Self::new()?;
        roles.start_all()?;
        Ok(roles)
    }

    /// Starts all at once, and waits until they are alive.
    ///
    /// # Errors
    /// If one does not come up.
    pub fn start_all(&mut self) -> Result<()> {
        for role in Role::ALL {
            self.launch(role)?;
        }
        for role in Role::ALL {
            self.alive(role)?;
        }
        Ok(())
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
        self.launch(role)?;
        self.alive(role)
    }

    /// Starts a role, and does not wait.
    fn launch(&mut self, role: Role) -> Result<()> {
        let mut command = Command::new(callhome::binary()?);
        command.arg(role.subcommand()).arg("--config").arg(self.config(role)).env("RUST_LOG", "info");
        if let Some(faults) = &self.faults {
            faults.environment(&mut command);
        }
        let child = Child::start(&format!("callhome {}", role.name()), command, &self.file(role, "log"))?;
        self.running[role as usize] = Some(child);
        Ok(())
    }

    /// Waits until a role is alive.
    fn alive(&mut self, role: Role) -> Result<()> {
        let until = Instant::now() + LIMIT;
        while !self.request(role, "GET", "/healthz", None).is_ok_and(|answer| answer.status == 200) {
            let child = self.process(role)?;
            child.running()?;
            if Instant::now() > until {
                bail!("{} does not answer after {LIMIT:?}:\n{}", role.name(), tail(&child.log()));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// What it is started with: as the lab writes it, unless it was changed by [`Roles::rewrite`].
    #[must_use]
    pub fn config(&self, role: Role) -> PathBuf {
        let changed = self.folder.path().join("changed").join(role.name()).with_extension("toml");
        if changed.exists() { changed } else { self.file(role, "toml") }
    }

    /// Changes a role's configuration before it is started; each replacement has to find something. The lab's own files
    /// stay: a device that is started writes them anew.
    ///
    /// # Errors
    /// If there is nothing to replace, or the file cannot be written.
    pub fn rewrite(&self, role: Role, replacements: &[(&str, &str)]) -> Result<()> {
        let mut text = std::fs::read_to_string(self.config(role))?;
        for (old, new) in replacements {
            ensure!(text.contains(old), "{}.toml has no {old}", role.name());
            text = text.replace(old, new);
        }
        let folder = self.folder.path().join("changed");
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(role.name()).with_extension("toml"), text)?;
        Ok(())
    }

    /// A gate between the devices' MME and the ICF.
    ///
    /// # Errors
    /// If it cannot be put there.
    pub fn gate_at_icf(&mut self) -> Result<Gate> {
        let gate = Gate::before(self.diameter)?;
        // A copy: in the file that devices write anew, the ICF would listen where the gate does.
        self.rewrite(Role::Icf, &[])?;
        let mut places = self.places.iter_mut();
        let place = places.find(|place| *place == "--diameter").and_then(|_| places.next());
        *place.context("no --diameter")? = format!("127.0.0.1:{}", gate.port);
        Ok(gate)
    }

    /// A gate between devices in non-3GPP access and the DRF.
    ///
    /// # Errors
    /// If it cannot be put there.
    pub fn gate_at_drf(&self) -> Result<Gate> {
        let (outside, inside) = (self.base + 1, ports::free()?);
        let listen = |port: u16| format!("[device]\nlisten = \"127.0.0.1:{port}\"");
        self.rewrite(Role::Drf, &[(&listen(outside), &listen(inside))])?;
        Gate::at(outside, inside)
    }

    /// A gate between two roles: the first one asks.
    ///
    /// # Errors
    /// If it cannot be put there.
    pub fn gate_between(&self, asks: Role, asked: Role) -> Result<Gate> {
        let server = self.rest(asked);
        let gate = Gate::before(server)?;
        let url = |port: u16| format!("https://127.0.0.1:{port}\"");
        self.rewrite(asks, &[(&url(server), &url(gate.port))])?;
        Ok(gate)
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

    /// The port of a role's REST.
    fn rest(&self, role: Role) -> u16 {
        match role {
            Role::Icf => self.icf,
            Role::Drf => self.base,
            Role::Dpf => self.base + 2,
            Role::Sho => self.base + 4,
            Role::Pva => self.base + 5,
            Role::Hss => self.base + 7,
        }
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
        let port = self.rest(role);
        if role == Role::Icf {
            return http::request(port, method, path, Some(&self.token), body, &[]);
        }
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

    /// The list of a page.
    ///
    /// # Errors
    /// If it is none.
    pub fn items(&self, role: Role, path: &str) -> Result<Vec<Value>> {
        let page = self.get(role, path)?;
        let items = page["items"].as_array().cloned();
        items.with_context(|| format!("{}: {path} is no page: {page}", role.name()))
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
        command.args(["--visited", self.visited]).args(&self.places).env_remove("RUST_LOG");
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
