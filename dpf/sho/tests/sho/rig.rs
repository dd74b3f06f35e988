//! An operator with a database in a folder, a clock that stands, a PVA and an HSS.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
};

use async_trait::async_trait;
use schemas::{
    cose::{self, PrivateKey},
    identity::Imsi,
    report::InstallResult,
    rest::provisioning::{
        Package, ProvisioningAnswer, ProvisioningReport, ProvisioningRequest, ProvisioningResult, Refusal,
    },
    rncp::{CREDENTIALS, Credentials, Kind, Manifest, part_aad},
    trust::Purpose,
};
use service::sealed::Keyring;
use sho::{
    clock::Clock,
    connector::{Connector, ConnectorError, Subscriber},
    machine::{Operator, Outcome, Reported, Rooms, Sho, Step},
    metrics::Metrics,
    model::{NumberKind, NumberRange, State, Terms},
    policy::Policy,
    store::{Store, contracts, numbers, sessions},
};
use uuid::Uuid;

use crate::platform::{Authority, Device, Pva};

/// Seconds since 1970 UTC.
pub const NOW: u64 = 1_800_000_000;

/// An HSS that remembers.
#[derive(Default)]
pub struct Hss {
    pub subscribers: Mutex<BTreeMap<Imsi, Subscriber>>,
    pub away: Mutex<Option<ConnectorError>>,
    /// Calls, by name.
    pub calls: Mutex<Vec<String>>,
    /// The next publication is done, and its answer never comes.
    pub hang: Mutex<bool>,
}

impl Hss {
    fn call(&self, what: &str) -> Result<(), ConnectorError> {
        self.calls.lock().unwrap().push(what.to_owned());
        self.away.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    pub fn of(&self, imsi: Imsi) -> Option<Subscriber> {
        self.subscribers.lock().unwrap().get(&imsi).cloned()
    }

    pub fn count(&self) -> usize {
        self.subscribers.lock().unwrap().len()
    }
}

/// The same HSS, as a connector.
pub struct Link(pub Arc<Hss>);

#[async_trait]
impl Connector for Link {
    fn name(&self) -> &str {
        "hss"
    }

    async fn exists(&self, imsi: Imsi) -> Result<bool, ConnectorError> {
        self.0.call("exists")?;
        Ok(self.0.of(imsi).is_some())
    }

    async fn clear(&self, imsi: Imsi) -> Result<(), ConnectorError> {
        self.0.call("clear")?;
        self.0.subscribers.lock().unwrap().remove(&imsi);
        Ok(())
    }

    async fn publish(&self, subscriber: &Subscriber) -> Result<(), ConnectorError> {
        self.0.call("publish")?;
        // As the ICF: what is there keeps its keys.
        self.0.subscribers.lock().unwrap().entry(subscriber.imsi).or_insert_with(|| subscriber.clone());
        let hang = std::mem::take(&mut *self.0.hang.lock().unwrap());
        if hang { std::future::pending().await } else { Ok(()) }
    }

    async fn set_usable(&self, imsi: Imsi) -> Result<(), ConnectorError> {
        self.0.call("set_usable")?;
        if let Some(subscriber) = self.0.subscribers.lock().unwrap().get_mut(&imsi) {
            subscriber.usable = true;
        }
        Ok(())
    }

    async fn withdraw(&self, imsi: Imsi) -> Result<(), ConnectorError> {
        self.0.call("withdraw")?;
        self.0.subscribers.lock().unwrap().remove(&imsi);
        Ok(())
    }
}

/// Everything; [`reopen`](Rig::reopen) is what a restart is.
pub struct Rig {
    pub sho: Arc<Sho>,
    pub root: Authority,
    pub pva: Arc<Pva>,
    pub hss: Arc<Hss>,
    pub sealing: PrivateKey,
    operator: Operator,
    policy: Policy,
    now: Arc<AtomicI64>,
    keys: String,
    pub folder: tempfile::TempDir,
}

impl Rig {
    pub async fn new() -> Self {
        Self::with(Policy::default()).await
    }

    /// With a thousand IMSIs.
    pub async fn with(policy: Policy) -> Self {
        let rig = Self::bare(policy).await;
        rig.range("imsis", NumberKind::Imsi, "999010000000001", 1000).await;
        rig
    }

    pub async fn bare(policy: Policy) -> Self {
        let root = Authority::new("root");
        let sealing = PrivateKey::generate().unwrap();
        let operator = Operator {
            id: "sho-a".parse().unwrap(),
            name: "Operator A".into(),
            plmn: "999-01".parse().unwrap(),
            apn: "internet".into(),
            signer: root.signer("sho-a", Purpose::Payload),
            sealing_key: Some(sealing.clone()),
            anchors: root.anchors(),
        };
        let (pva, hss) = (Arc::new(Pva::new(&root)), Arc::new(Hss::default()));
        let now = Arc::new(AtomicI64::new(NOW as i64 * 1000));
        let keys = Keyring::generate_line(1).unwrap().to_string();
        let folder = tempfile::tempdir().unwrap();
        let sho = open(&folder, &keys, &operator, &policy, &now, &pva, &hss).await;
        Self { sho, root, pva, hss, sealing, operator, policy, now, keys, folder }
    }

    /// As after a kill -9: nothing but the file is left.
    pub async fn reopen(&mut self) {
        let (operator, policy) = (&self.operator, &self.policy);
        self.sho = open(&self.folder, &self.keys, operator, policy, &self.now, &self.pva, &self.hss).await;
    }

    pub fn url(&self) -> String {
        url(&self.folder)
    }

    pub fn keyring(&self) -> Keyring {
        Keyring::parse(&self.keys).unwrap()
    }

    pub fn later(&self, seconds: i64) {
        self.now.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    pub async fn range(&self, id: &str, kind: NumberKind, first: &str, count: u64) {
        self.put_range(id, kind, first, count, false).await;
    }

    pub async fn put_range(&self, id: &str, kind: NumberKind, first: &str, count: u64, delegated: bool) {
        let (id, first) = (id.to_owned(), first.to_owned());
        let range = NumberRange { id, kind, first, count, next: 0, delegated, closed: false, created_at: 0 };
        let mut tx = self.sho.store.db.write().await.unwrap();
        numbers::put(&mut tx, &range).await.unwrap();
        tx.commit().await.unwrap();
    }

    pub async fn contract(&self, device: &Device, terms: &str) {
        let terms: Terms = serde_json::from_str(terms).unwrap();
        let mut tx = self.sho.store.db.write().await.unwrap();
        contracts::put(&mut tx, &device.device_id, None, &terms, false, 0).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// A device that the PVA knows and that there is a contract for.
    pub async fn device(&self, name: &str) -> Device {
        let device = Device::new(&self.root, name);
        self.pva.knows(&device);
        self.contract(&device, r#"{"plan":"meter"}"#).await;
        device
    }

    pub async fn ask(&self, session: Uuid, request: &ProvisioningRequest) -> Outcome {
        self.sho.provision(session, request).await.unwrap()
    }

    pub async fn package(&self, device: &Device, session: Uuid, kind: Kind) -> Package {
        match self.ask(session, &device.request(session, kind)).await {
            Outcome::Answer(answer) => match *answer {
                ProvisioningAnswer::Authorised { package } => package,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    pub async fn refused(&self, device: &Device, session: Uuid) -> Refusal {
        refusal(self.ask(session, &device.request(session, Kind::Initial)).await)
    }

    /// Step 19, and what the HSS is told of it.
    pub async fn report(
        &self,
        device: &Device,
        session: Uuid,
        rncp: Uuid,
        result: ProvisioningResult,
    ) -> Reported {
        let signed = match result {
            ProvisioningResult::Installed => Some(InstallResult::Installed),
            ProvisioningResult::Failed => Some(InstallResult::Failed),
            ProvisioningResult::Refused | ProvisioningResult::Expired => None,
        };
        let report = ProvisioningReport {
            result,
            rncp,
            report: signed.map(|result| device.report(session, rncp, result).into()),
            detail: None,
            at: time::OffsetDateTime::UNIX_EPOCH,
        };
        self.sho.report(session, &report).await.unwrap()
    }

    /// Provisions a device from end to end; gives its credentials.
    pub async fn provisioned(&self, device: &Device, session: Uuid, kind: Kind) -> Credentials {
        let package = self.package(device, session, kind).await;
        let credentials = self.open(device, &package);
        let reported = self.report(device, session, package.rncp, ProvisioningResult::Installed).await;
        assert_eq!(reported, Reported::Known);
        assert_eq!(self.sho.settle(session).await.unwrap(), Step::Taken);
        assert_eq!(self.state(session).await, State::Closed);
        credentials
    }

    pub fn manifest(&self, package: &Package) -> Manifest {
        let content = schemas::rncp::CONTENT_TYPE;
        let anchors = self.root.anchors();
        let signed =
            cose::verify(package.manifest.as_ref(), content, &anchors, Purpose::Payload, NOW).unwrap();
        assert_eq!(signed.signer.name, "sho-a");
        Manifest::decode(&signed.payload).unwrap()
    }

    /// Steps 16 and 17, as a device does them.
    pub fn open(&self, device: &Device, package: &Package) -> Credentials {
        let manifest = self.manifest(package);
        assert_eq!((&manifest.device_id, &manifest.tre_id), (&device.device_id, &device.tre_id));
        assert_eq!(manifest.parts.len(), package.parts.len());
        for (part, wire) in manifest.parts.iter().zip(&package.parts) {
            assert!(part.is(wire.as_ref()), "{}", part.name);
        }
        let at = manifest.parts.iter().position(|part| part.name == CREDENTIALS).unwrap();
        let aad = part_aad(manifest.rncp, CREDENTIALS);
        let opened = cose::decrypt(package.parts[at].as_ref(), &aad, &device.key).unwrap();
        Credentials::decode(&opened).unwrap()
    }

    pub async fn state(&self, session: Uuid) -> State {
        let mut reader = self.sho.store.db.readers.acquire().await.unwrap();
        sessions::find(&mut reader, session).await.unwrap().unwrap().state
    }

    /// State of a number, as the database has it.
    pub async fn number(&self, imsi: Imsi) -> Option<String> {
        sqlx::query_scalar("SELECT state FROM number WHERE number = ?1")
            .bind(imsi.to_string())
            .fetch_optional(&self.sho.store.db.readers)
            .await
            .unwrap()
    }

    pub async fn audit(&self) -> String {
        let page = service::api::audit_page(&self.sho.store.db, None, 500).await.unwrap();
        page.iter().map(|e| format!("{} {} {} {}\n", e.who, e.action, e.target, e.outcome)).collect()
    }

    /// Whether the HSS authenticates who has these.
    pub fn authenticates(&self, credentials: &Credentials) -> bool {
        self.hss.of(credentials.imsi).is_some_and(|subscriber| {
            subscriber.usable
                && subscriber.keys.k == credentials.k()
                && subscriber.keys.opc == credentials.opc()
        })
    }
}

pub fn refusal(outcome: Outcome) -> Refusal {
    match outcome {
        Outcome::Answer(answer) => match *answer {
            ProvisioningAnswer::Refused { refusal } => refusal,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn url(folder: &tempfile::TempDir) -> String {
    format!("sqlite://{}/sho.db", folder.path().display())
}

async fn open(
    folder: &tempfile::TempDir,
    keys: &str,
    operator: &Operator,
    policy: &Policy,
    now: &Arc<AtomicI64>,
    pva: &Arc<Pva>,
    hss: &Arc<Hss>,
) -> Arc<Sho> {
    let store = Store::open(&url(folder), Keyring::parse(keys).unwrap(), &operator.id).await.unwrap();
    let now = now.clone();
    let rooms = Rooms {
        store,
        operator: operator.clone(),
        policy: policy.clone(),
        clock: Clock::of(move || now.load(Ordering::SeqCst)),
        metrics: Metrics::register(&prometheus::Registry::new()).unwrap(),
    };
    Arc::new(Sho::new(rooms, pva.clone(), vec![Arc::new(Link(hss.clone()))]))
}
