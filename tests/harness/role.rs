//! A role beside the ICF, of a test's own: its folder, its configuration, its process. The other roles that it talks to
//! are not there, so that whatever needs them is to be refused in good order.

use std::{
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{
    callhome,
    child::{Child, tail},
    http, ports,
};

/// A running role: `drf`, `dpf`, `sho` or `pva`.
pub struct Role {
    name: String,
    folder: tempfile::TempDir,
    child: Child,
    /// Where it listens for REST, over plain HTTP.
    pub rest: u16,
    /// A token that may do everything.
    pub token: String,
}

impl Role {
    /// Makes keys and certificates, writes the configuration, starts the role and waits until it is ready.
    ///
    /// # Errors
    /// If it does not come up within 20 s.
    pub fn start(name: &str) -> Result<Self> {
        Self::start_with(name, &[])
    }

    /// As [`start`](Self::start), with environment variables that override its configuration.
    ///
    /// # Errors
    /// If it does not come up within 20 s.
    pub fn start_with(name: &str, variables: &[(&str, &str)]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (rest, path) =
            (ports::free()?, |file: &str| folder.path().join(file).to_string_lossy().into_owned());
        callhome::run(&["pki", "init", "--out", &path("pki")])?;
        callhome::run(&["keys", "generate", "--out", &path("at-rest.key")])?;
        let printed = callhome::run(&["keys", "token"])?;
        let field = |name: &str| {
            let mut pairs = printed.lines().filter_map(|line| line.split_once(char::is_whitespace));
            let found = pairs.find(|(key, _)| *key == name).map(|(_, value)| value.trim().to_owned());
            found.with_context(|| format!("`callhome keys token` prints no {name}:\n{printed}"))
        };
        let token = field("token")?;
        // A role refuses a secret that every user may read.
        let mut file = std::fs::OpenOptions::new();
        file.write(true).create_new(true).mode(0o600).open(path("token"))?.write_all(token.as_bytes())?;
        let config = format!(
            "[database]\nurl = \"sqlite://{}\"\n\n[keys]\nat_rest = {{ file = {:?} }}\n\n[log]\nfilter = \"info\"\n\n\
             [rest]\nlisten = \"127.0.0.1:{rest}\"\n\
             tokens = [{{ name = \"tests\", hash = \"{}\", scopes = [\"admin\"] }}]\n\n{}",
            path(&format!("{name}.db")),
            path("at-rest.key"),
            field("hash")?,
            sections(name, folder.path())?
        );
        std::fs::write(path("role.toml"), config)?;
        let mut command = Command::new(callhome::binary()?);
        command.args([name, "--config", &path("role.toml")]).env_remove("RUST_LOG");
        command.envs(variables.iter().copied());
        let child = Child::start(&format!("callhome {name}"), command, &folder.path().join("role.log"))?;
        let mut role = Self { name: name.to_owned(), folder, child, rest, token };
        role.wait_ready()?;
        Ok(role)
    }

    fn wait_ready(&mut self) -> Result<()> {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            self.child.running()?;
            let live = http::request(self.rest, "GET", "/healthz", None, None, &[]);
            if live.is_ok_and(|answer| answer.status == 200) {
                return Ok(());
            }
            if Instant::now() > until {
                bail!("callhome {} does not answer after 20 s:\n{}", self.name, tail(&self.child.log()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The port of `listen` in a section of its configuration.
    ///
    /// # Errors
    /// If there is none.
    pub fn port(&self, section: &str) -> Result<u16> {
        let config: toml::Table = std::fs::read_to_string(self.folder.path().join("role.toml"))?.parse()?;
        let listen = config.get(section).and_then(|section| section.get("listen")?.as_str());
        let port = listen.and_then(|listen| listen.rsplit(':').next()?.parse().ok());
        port.with_context(|| format!("[{section}] of {} has no listen", self.name))
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.child.log()
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// Its last words.
    pub fn running(&mut self) -> Result<()> {
        self.child.running()
    }
}

/// What a role's configuration has beside what all have.
fn sections(name: &str, folder: &Path) -> Result<String> {
    let pki = |file: &str| folder.join("pki").join(file).to_string_lossy().into_owned();
    let pair = |of: &str| {
        format!("{{ cert = {:?}, key = {:?} }}", pki(&format!("{of}.crt")), pki(&format!("{of}.key")))
    };
    let token = folder.join("token");
    // Nobody listens there.
    let absent = ports::free()?;
    let elsewhere = format!(
        "url = \"https://127.0.0.1:{absent}\"\ntoken = {{ file = {token:?} }}\nca = {:?}\n",
        pki("root.crt")
    );
    let device = |tls: &str| -> Result<String> {
        Ok(format!(
            "[device]\nlisten = \"127.0.0.1:{}\"\ntls = {}\nplatform_ca = {:?}\nocsp = {{ url = \"http://127.0.0.1:{absent}\" }}\n\n",
            ports::free()?,
            pair(tls),
            pki("platform-ca.crt")
        ))
    };
    Ok(match name {
        "drf" => format!(
            "{}[coap]\nlisten = \"127.0.0.1:{}\"\ndevice_port = {}\n\n\
             [drf]\noperator = \"registry\"\nsigning = {}\ndpf = \"https://127.0.0.1:{absent}\"\n\n\
             [drf.napdef]\nid = \"callhome\"\nname = \"Callhome\"\nbearer = \"GSM-GPRS\"\naddress = \"provisioning\"\n\
             address_type = \"APN\"\n",
            device("drf.tls")?,
            ports::free()?,
            ports::free()?,
            pair("drf.sign"),
        ),
        "dpf" => format!(
            "{}[dpf]\nanchors = {:?}\n\n[drf]\n{elsewhere}\n[pva]\n{elsewhere}\n\
             [[operators]]\nid = \"sho-a\"\n{elsewhere}sealing_key = {:?}\n",
            device("dpf.tls")?,
            pki("root.crt"),
            pki("sho-a.seal.pub"),
        ),
        "sho" => format!(
            "[sho]\noperator = \"sho-a\"\nplmn = \"999-01\"\napn = \"internet\"\nsigning = {}\nsealing_key = {:?}\n\
             anchors = {:?}\n\n[pva]\n{elsewhere}\n\
             [[connectors]]\nkind = \"callhome\"\n{elsewhere}profile = \"default\"\n",
            pair("sho-a.sign"),
            pki("sho-a.seal.key"),
            pki("root.crt"),
        ),
        "pva" => {
            let ocsp = ports::free()?;
            format!(
                "[pva]\nname = \"pva\"\nsigning = {}\nplatform_ca = {}\nanchors = {:?}\n\n\
                 [ocsp]\nlisten = \"127.0.0.1:{ocsp}\"\nurl = \"http://127.0.0.1:{ocsp}\"\nsigning = {}\n",
                pair("pva.sign"),
                pair("platform-ca"),
                pki("root.crt"),
                pair("ocsp"),
            )
        }
        other => bail!("there is no role {other}"),
    })
}
