//! The MongoDB: one connection pool, every call bounded in time, errors that repeat nothing of what was sent.

use std::{future::Future, time::Duration};

use mongodb::{
    Client, Collection,
    bson::Document,
    error::{Error, ErrorKind, WriteFailure},
    options::{
        ClientOptions, ConnectionString, Credential, HostInfo, ReadConcern, ServerAddress, Tls, TlsOptions,
        WriteConcern,
    },
};
use service::config::Secret;
use tokio::sync::OnceCell;

use super::ConnectorError;
use crate::config::Open5gsConfig;

/// Open5GS's collection.
const SUBSCRIBERS: &str = "subscribers";
/// MongoDB's DuplicateKey.
const DUPLICATE: i32 = 11000;
/// Errors of MongoDB that the same command gets again (`src/mongo/base/error_codes.yml`): BadValue, FailedToParse,
/// TypeMismatch, InvalidLength, InvalidBSON, PathNotViable, ConflictingUpdateOperators, DollarPrefixedFieldName,
/// InvalidIdField, ImmutableField, InvalidOptions, InvalidNamespace, DocumentValidationFailure, BSONObjectTooLarge,
/// KeyTooLong.
const NEVER: [i32; 15] = [2, 9, 14, 16, 22, 28, 40, 52, 53, 66, 72, 73, 121, 10334, 17280];
/// Labels by which a server says that the same may succeed later, whatever the error is.
const LATER: [&str; 4] =
    ["RetryableWriteError", "TransientTransactionError", "SystemOverloadedError", "RetryableError"];

/// See the module.
pub(super) struct Link {
    name: String,
    url: String,
    database: String,
    credential: Option<(String, Secret, String)>,
    tls: Option<TlsOptions>,
    timeout: Duration,
    /// Connected at the first call: the driver starts tasks of its own.
    subscribers: OnceCell<Collection<Document>>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Link({}/{})", self.url, self.database)
    }
}

impl Link {
    /// Sets it up. K travels here: TLS, or a loopback address.
    ///
    /// # Errors
    /// If URL, password or CA cannot be used.
    pub(super) fn new(config: &Open5gsConfig) -> anyhow::Result<Self> {
        let at = format!("connectors {:?}", config.name);
        // What the driver says of a URL may repeat it, and somebody may have put a password there.
        anyhow::ensure!(
            !config.url.contains('@'),
            "{at}: url: leave user and password out of it; there are `username` and `password`"
        );
        let place = ConnectionString::parse(&config.url)
            .map_err(|error| anyhow::anyhow!("{at}: url: {error}; write mongodb://host:port"))?;
        let HostInfo::HostIdentifiers(hosts) = &place.host_info else {
            anyhow::bail!(
                "{at}: url: mongodb+srv:// is not supported; name the hosts: mongodb://one,two,three"
            );
        };
        anyhow::ensure!(
            place.tls.is_none(),
            "{at}: url: leave tls and ssl out of it; with `ca` there is TLS, and it is checked"
        );
        anyhow::ensure!(
            config.ca.is_some() || hosts.iter().all(is_here),
            "{at}: K would travel in the clear; turn TLS on in that MongoDB and set `ca`"
        );
        anyhow::ensure!(
            !config.database.is_empty() && !config.database.contains(['/', '\\', '.', ' ', '"', '$']),
            "{at}: database: a name without / \\ . \" $ and blanks"
        );
        anyhow::ensure!(
            (1..=64).contains(&config.mark.len()) && !config.mark.chars().any(char::is_control),
            "{at}: mark: 1 to 64 octets of text"
        );
        let tls = match &config.ca {
            None => None,
            Some(ca) => {
                std::fs::metadata(ca).map_err(|error| {
                    anyhow::anyhow!("{at}: ca: {}: {error}; check the path and permissions", ca.display())
                })?;
                Some(TlsOptions::builder().ca_file_path(ca.clone()).build())
            }
        };
        let credential = match (&config.username, &config.password) {
            (None, None) => None,
            (Some(user), Some(password)) => {
                Some((user.clone(), password.read()?, config.auth_database.clone()))
            }
            _ => anyhow::bail!("{at}: `username` and `password` go together"),
        };
        Ok(Self {
            name: config.name.clone(),
            url: config.url.clone(),
            database: config.database.clone(),
            credential,
            tls,
            timeout: config.timeout.0,
            subscribers: OnceCell::new(),
        })
    }

    async fn subscribers(&self) -> Result<&Collection<Document>, ConnectorError> {
        let connect = || async {
            let mut options = ClientOptions::parse(self.url.as_str()).await?;
            options.app_name = Some("callhome".to_owned());
            options.connect_timeout = Some(self.timeout);
            options.server_selection_timeout = Some(self.timeout);
            options.max_pool_size = Some(8);
            // What is answered to have been done outlives the primary of a replica set.
            options.read_concern = Some(ReadConcern::majority());
            options.write_concern = Some(WriteConcern::majority());
            options.tls = self.tls.clone().map(Tls::Enabled);
            options.credential = self.credential.as_ref().map(|(user, password, source)| {
                Credential::builder()
                    .username(user.clone())
                    .password(password.expose().to_owned())
                    .source(source.clone())
                    .build()
            });
            let client = Client::with_options(options)?;
            Ok::<_, Error>(client.database(&self.database).collection(SUBSCRIBERS))
        };
        self.subscribers.get_or_try_init(connect).await.map_err(|error| self.failed(&error))
    }

    /// The driver bounds connecting, not answering.
    async fn within<T>(
        &self,
        call: impl Future<Output = Result<T, Error>> + Send,
    ) -> Result<Result<T, Error>, ConnectorError> {
        tokio::time::timeout(self.timeout, call).await.map_err(|_| self.away("no answer in time"))
    }

    /// The first document that a filter selects.
    ///
    /// # Errors
    /// If it cannot be asked.
    pub(super) async fn find(&self, filter: Document) -> Result<Option<Document>, ConnectorError> {
        let subscribers = self.subscribers().await?;
        let found = self.within(async { subscribers.find_one(filter).await }).await?;
        found.map_err(|error| self.failed(&error))
    }

    /// A new document. Away, if there is one with its `_id` or `imsi` by now: the next attempt finds it.
    ///
    /// # Errors
    /// If it was not done.
    pub(super) async fn insert(&self, new: &Document) -> Result<(), ConnectorError> {
        let subscribers = self.subscribers().await?;
        let done = self.within(async { subscribers.insert_one(new).await }).await?;
        done.map(drop).map_err(|error| self.failed(&error))
    }

    /// Changes one document; false if the filter selects none.
    ///
    /// # Errors
    /// If it was not done.
    pub(super) async fn update(&self, filter: Document, update: Document) -> Result<bool, ConnectorError> {
        let subscribers = self.subscribers().await?;
        let done = self.within(async { subscribers.update_one(filter, update).await }).await?;
        done.map(|done| done.matched_count > 0).map_err(|error| self.failed(&error))
    }

    /// Deletes what the filter selects, if there is such a document.
    ///
    /// # Errors
    /// If it was not done.
    pub(super) async fn delete(&self, filter: Document) -> Result<(), ConnectorError> {
        let subscribers = self.subscribers().await?;
        let done = self.within(async { subscribers.delete_one(filter).await }).await?;
        done.map(drop).map_err(|error| self.failed(&error))
    }

    fn away(&self, what: &str) -> ConnectorError {
        ConnectorError::Away(format!("connector {}: {}: {what}", self.name, self.url))
    }

    /// Only the code of what MongoDB says: its texts repeat documents, and these hold K.
    fn failed(&self, error: &Error) -> ConnectorError {
        let code = match error.kind.as_ref() {
            ErrorKind::Command(command) => Some(command.code),
            ErrorKind::Write(WriteFailure::WriteError(write)) => Some(write.code),
            ErrorKind::Write(WriteFailure::WriteConcernError(concern)) => Some(concern.code),
            _ => None,
        };
        // A write concern that is not met says nothing of what was written: it is done, and not everywhere yet.
        let later = matches!(error.kind.as_ref(), ErrorKind::Write(WriteFailure::WriteConcernError(_)))
            || LATER.iter().any(|label| error.contains_label(label));
        match (error.kind.as_ref(), code) {
            (_, Some(DUPLICATE)) => self.away("a subscriber with this IMSI has come in between"),
            (_, Some(code)) if !later && NEVER.contains(&code) => ConnectorError::Refused(format!(
                "connector {}: {}: MongoDB refuses it with error {code}; its log says why",
                self.name, self.url
            )),
            (_, Some(13 | 18)) | (ErrorKind::Authentication { .. }, _) => {
                self.away("MongoDB does not let us; check username, password and auth_database, and its roles")
            }
            (_, Some(code)) => self.away(&format!("MongoDB answers with error {code}; its log says why")),
            // What was to be sent cannot be written down.
            (ErrorKind::Bson(_) | ErrorKind::InvalidArgument { .. }, _) if !later => {
                ConnectorError::Refused(format!(
                    "connector {}: {}: the driver does not take this subscriber",
                    self.name, self.url
                ))
            }
            (ErrorKind::IncompatibleServer { .. }, _) => {
                self.away("this MongoDB is too old for the driver; it has to be 4.4 or newer")
            }
            (ErrorKind::InvalidTlsConfig { .. }, _) => self.away("`ca` cannot be used; it is to be a PEM file"),
            (ErrorKind::ServerSelection { .. } | ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. }, _) => {
                self.away("cannot be reached; check that MongoDB runs, can be reached from here, and has the TLS that `ca` says")
            }
            _ => self.away("MongoDB answers what makes no sense; is the URL right?"),
        }
    }
}

/// Whether what is sent there does not leave the machine.
fn is_here(host: &ServerAddress) -> bool {
    match host {
        ServerAddress::Tcp { host, .. } => {
            let host = host.trim_matches(['[', ']']);
            host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        ServerAddress::Unix { .. } => true,
        _ => false,
    }
}
