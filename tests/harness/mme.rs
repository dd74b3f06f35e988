//! An MME whose S1AP and NAS are pycrate's and whose S6a is python-diameter's; see tests/python/mme.py. It asks an ICF
//! of ours for its vectors.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    process::Command,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::{
    aka::Subscriber,
    child::{Child, tail},
    icf::{HOST, Icf, REALM, Settings},
    network::Network,
    programs,
};

/// How long one waits for what has to come.
const LIMIT: Duration = Duration::from_secs(60);

type Routes = Arc<Mutex<HashMap<String, UnboundedSender<Value>>>>;

/// What another thread left in its panic is whole: entries are put in and taken out as one.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A process with MMEs, and the ICF that it asks.
pub struct Core {
    /// The ICF.
    pub icf: Icf,
    child: Mutex<Child>,
    routes: Routes,
    numbers: AtomicU64,
}

impl Core {
    /// One of this test's own.
    ///
    /// # Errors
    /// If the ICF or pycrate does not come up, or they do not come together.
    pub fn start(settings: &Settings) -> Result<Arc<Self>> {
        Self::beside(Icf::new(settings)?)
    }

    /// One of this test's own on a host of its own, which two cables lead to ([`Network`]).
    ///
    /// # Errors
    /// As [`Core::start`], and if this process may not make a host.
    pub fn over_there(settings: &Settings) -> Result<Arc<Self>> {
        Self::beside(Icf::over_there(settings, Network::new()?)?)
    }

    /// On the host of this ICF.
    fn beside(mut icf: Icf) -> Result<Arc<Self>> {
        icf.start()?;
        let python = programs::python()?;
        let mut command = match icf.network() {
            Ok(host) => host.icf_command(&python)?,
            Err(_) => Command::new(python),
        };
        command
            .arg(programs::workspace().join("tests/python/mme.py"))
            .args(["--hss", HOST, "--hss-realm", REALM, "--port", &icf.diameter.to_string()])
            .env("PYTHONDONTWRITEBYTECODE", "1");
        let (child, output) = Child::start_piped("mme.py", command, &icf.folder().join("mme.log"))?;
        let routes = Routes::default();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let to = routes.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // pycrate says in words what it misses.
                let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
                if event["event"] == "ready" {
                    let _ = ready.send(());
                }
                let routes = locked(&to);
                match event["mme"].as_str().and_then(|name| routes.get(name)) {
                    // A test that is over listens no more.
                    Some(route) => drop(route.send(event)),
                    None if event["mme"].is_null() => {
                        for route in routes.values() {
                            let _ = route.send(event.clone());
                        }
                    }
                    None => {}
                }
            }
            locked(&to).clear();
        });
        let core = Self { icf, child: Mutex::new(child), routes, numbers: AtomicU64::new(1) };
        if is_ready.recv_timeout(Duration::from_secs(60)).is_err() {
            bail!("mme.py is not ready:\n{}", tail(&locked(&core.child).log()));
        }
        Ok(Arc::new(core))
    }

    /// The one that tests share as long as one of them runs: to load pycrate takes a while.
    ///
    /// # Errors
    /// As [`Core::start`].
    pub fn shared() -> Result<Arc<Self>> {
        static SHARED: Mutex<Weak<Core>> = Mutex::new(Weak::new());
        let mut shared = locked(&SHARED);
        if let Some(core) = shared.upgrade() {
            return Ok(core);
        }
        let core = Self::start(&Settings::default())?;
        *shared = Arc::downgrade(&core);
        Ok(core)
    }

    /// A subscriber whom nobody knows yet, with random keys.
    ///
    /// # Errors
    /// If the system gives no random numbers.
    pub fn stranger(&self) -> Result<Subscriber> {
        Subscriber::random(self.numbers.fetch_add(1, Ordering::Relaxed))
    }

    /// A subscriber of the ICF's.
    ///
    /// # Errors
    /// If the ICF does not take it.
    pub fn subscriber(&self) -> Result<Subscriber> {
        let subscriber = self.stranger()?;
        self.icf.provision(std::slice::from_ref(&subscriber))?;
        Ok(subscriber)
    }

    fn write(&self, order: &Value) -> Result<()> {
        let mut child = locked(&self.child);
        let input = child.input()?;
        writeln!(input, "{order}")?;
        Ok(input.flush()?)
    }
}

/// One MME.
pub struct Mme {
    /// Its process.
    pub core: Arc<Core>,
    /// Where eNBs find it: the first of its addresses.
    pub at: SocketAddr,
    /// All of its addresses, with the same port.
    pub addresses: Vec<SocketAddr>,
    name: String,
    events: UnboundedReceiver<Value>,
    /// Events that came while another was waited for.
    kept: Vec<Value>,
}

impl Drop for Mme {
    fn drop(&mut self) {
        locked(&self.core.routes).remove(&self.name);
    }
}

impl Mme {
    /// Listens; `policy` says what it does otherwise than an MME does.
    ///
    /// # Errors
    /// If it cannot.
    pub async fn listen(core: &Arc<Core>, policy: Value) -> Result<Self> {
        let addresses = match core.icf.network() {
            Ok(host) => host.icf().to_vec(),
            Err(_) => vec![Ipv4Addr::LOCALHOST.into()],
        };
        Self::listen_at(core, &addresses, policy).await
    }

    /// As [`Mme::listen`], at these addresses of its host: one association may use them all.
    ///
    /// # Errors
    /// As [`Mme::listen`].
    pub async fn listen_at(core: &Arc<Core>, addresses: &[IpAddr], policy: Value) -> Result<Self> {
        let name = format!("mme{}", core.numbers.fetch_add(1, Ordering::Relaxed));
        let (sender, events) = unbounded_channel();
        locked(&core.routes).insert(name.clone(), sender);
        let at = SocketAddr::new(*addresses.first().context("no address")?, 0);
        let mut mme = Self { core: core.clone(), at, addresses: Vec::new(), name, events, kept: Vec::new() };
        let done = mme.order(json!({ "do": "listen", "addresses": addresses, "policy": policy })).await?;
        let port = u16::try_from(done["port"].as_u64().context("it listens nowhere")?)?;
        mme.at.set_port(port);
        mme.addresses = addresses.iter().map(|address| SocketAddr::new(*address, port)).collect();
        Ok(mme)
    }

    /// Has it do something, and waits until it is done.
    ///
    /// # Errors
    /// If it cannot.
    pub async fn order(&mut self, mut order: Value) -> Result<Value> {
        order["mme"] = json!(self.name);
        self.core.write(&order)?;
        self.event("done", |_| true).await
    }

    /// Changes its policy.
    ///
    /// # Errors
    /// If it cannot.
    pub async fn policy(&mut self, policy: Value) -> Result<()> {
        self.order(json!({ "do": "policy", "policy": policy })).await.map(drop)
    }

    /// The next event of a kind that passes the test; others are kept.
    ///
    /// # Errors
    /// If it does not come, or something went wrong on the other side.
    pub async fn event(&mut self, kind: &str, test: impl Fn(&Value) -> bool) -> Result<Value> {
        let wanted = |event: &Value| event["event"] == kind && test(event);
        if let Some(at) = self.kept.iter().position(wanted) {
            return Ok(self.kept.remove(at));
        }
        loop {
            match tokio::time::timeout(LIMIT, self.events.recv()).await {
                Ok(Some(event)) if wanted(&event) => return Ok(event),
                Ok(Some(event)) if event["event"] == "fault" => bail!("the MME: {}", event["what"]),
                Ok(Some(event)) => self.kept.push(event),
                Ok(None) => bail!("mme.py has ended:\n{}", tail(&locked(&self.core.child).log())),
                Err(_) => bail!("no such {kind} of the MME within {LIMIT:?}; {}", self.history()),
            }
        }
    }

    /// The next NAS message of this name from a UE, which has to be genuine if it is protected.
    ///
    /// # Errors
    /// If it does not come, or its MAC is wrong.
    pub async fn nas(&mut self, name: &str) -> Result<Value> {
        let event = self.event("nas", |event| event["way"] == "up" && event["name"] == name).await?;
        ensure!(event["header"] == 0 || event["mac"] == true, "{name} is not genuine: {event}");
        Ok(event)
    }

    /// The next S1AP message of this name from the eNB, which has to have PPID 18.
    ///
    /// # Errors
    /// If it does not come.
    pub async fn s1ap(&mut self, name: &str) -> Result<Value> {
        let event = self.event("s1ap", |event| event["way"] == "up" && event["name"] == name).await?;
        ensure!(event["ppid"] == 18, "{name} with PPID {}", event["ppid"]);
        Ok(event)
    }

    /// How many events of a kind have come that nobody has asked for and that pass the test.
    pub fn left(&mut self, kind: &str, test: impl Fn(&Value) -> bool) -> usize {
        while let Ok(event) = self.events.try_recv() {
            self.kept.push(event);
        }
        self.kept.iter().filter(|event| event["event"] == kind && test(event)).count()
    }

    /// Forgets what has come so far.
    pub fn forget_events(&mut self) {
        while self.events.try_recv().is_ok() {}
        self.kept.clear();
    }

    fn history(&self) -> String {
        let short = |event: &Value| {
            let name = event["name"].as_str().unwrap_or_default();
            format!("{} {} {name}", event["event"], event["way"])
        };
        format!("what came: {:?}", self.kept.iter().map(short).collect::<Vec<_>>())
    }
}
