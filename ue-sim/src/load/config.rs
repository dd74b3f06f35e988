//! What a load run is asked to do, and why it does not start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use schemas::identity::Plmn;
use serde::{Deserialize, Serialize};

use crate::usim::state::StateError;

/// What every device does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Procedure {
    /// Authentication Information Retrieval alone (TS 29.272 §5.2.3.1).
    Air,
    /// The same, then Update Location (TS 29.272 §5.2.1.1): what an initial attach needs.
    Attach,
}

/// When requests are sent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// Open loop: so many procedures a second over all connections, whatever the answers do.
    Rate(f64),
    /// Closed loop: always as many on their way as the window allows.
    Window,
}

/// What is checked of every vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verify {
    /// As a device does: MAC-A, separation bit, freshness by the USIM's array, RES, KASME. A device has one
    /// procedure on its way at a time, and stays with one connection.
    Usim,
    /// MAC-A, RES and KASME, and that no sequence number of an IMSI comes twice, in whatever order they
    /// come: for many requests for the same IMSI at once. Every connection uses every device.
    Unique,
    /// Result codes only: measures the server, not this program.
    Off,
}

/// A load run.
#[derive(Debug, Clone)]
pub struct LoadConfig {
    /// Servers, by TCP; connections are dealt out to them in turn.
    pub connect: Vec<SocketAddr>,
    /// Origin-Host. `{number}` stands for the number of the connection, from 1: RFC 6733 §5.6.4 has one
    /// connection between two identities, so with several connections each should have its own.
    pub origin_host: String,
    /// Origin-Realm.
    pub origin_realm: String,
    /// Destination-Realm.
    pub destination_realm: String,
    /// Destination-Host; left out of the requests when `None`.
    pub destination_host: Option<String>,
    /// Visited-PLMN-Id, the serving network of KASME.
    pub visited_plmn: Plmn,
    /// What a device does.
    pub procedure: Procedure,
    /// Connections.
    pub connections: usize,
    /// When requests are sent.
    pub pace: Pace,
    /// Most requests on their way on one connection, 1 to 65,536.
    pub window: usize,
    /// Number-Of-Requested-Vectors (TS 29.272 §7.3.14), 1 to 5. The USIM checks them in order.
    pub vectors: u32,
    /// Ends after so many procedures.
    pub procedures: Option<u64>,
    /// Ends after so long.
    pub duration: Option<Duration>,
    /// What is checked.
    pub verify: Verify,
    /// A request without answer for so long counts as lost.
    pub answer_timeout: Duration,
    /// Where USIMs keep their sequence numbers between runs ([`Verify::Usim`]).
    pub usim_state: Option<PathBuf>,
    /// Where sequence numbers seen are kept between runs ([`Verify::Unique`]), one `IMSI SQN` a line: a
    /// number of an earlier run that comes again is a duplicate too.
    pub sqn_log: Option<PathBuf>,
    /// A live line on standard error, if that is a terminal.
    pub progress: bool,
}

impl LoadConfig {
    /// A run of ten seconds of AIR with window 256 on one connection to `connect`, everything verified, for
    /// devices that are in the network `visited_plmn`.
    #[must_use]
    pub fn new(connect: SocketAddr, visited_plmn: Plmn) -> Self {
        Self {
            connect: vec![connect],
            origin_host: "mme.localdomain".into(),
            origin_realm: "localdomain".into(),
            destination_realm: "localdomain".into(),
            destination_host: None,
            visited_plmn,
            procedure: Procedure::Air,
            connections: 1,
            pace: Pace::Window,
            window: 256,
            vectors: 1,
            procedures: None,
            duration: Some(Duration::from_secs(10)),
            verify: Verify::Usim,
            answer_timeout: Duration::from_secs(10),
            usim_state: None,
            sqn_log: None,
            progress: false,
        }
    }
}

/// Why a run does not start, or cannot keep what it has learned.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The configuration contradicts itself.
    #[error("the load run cannot start: {0}")]
    Config(String),
    /// No connection.
    #[error("cannot connect to {to}: {source}; is the ICF running and listening there?")]
    Connect {
        /// Where to.
        to: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The server does not want us as a peer.
    #[error("{to} refuses us as {as_host}: Result-Code {code}{hint}")]
    Refused {
        /// Who.
        to: SocketAddr,
        /// The Origin-Host we gave.
        as_host: String,
        /// Its Result-Code, with its name.
        code: String,
        /// What to do.
        hint: &'static str,
    },
    /// What answered the CER is not a Diameter peer.
    #[error("{to} does not answer as a Diameter peer: {what}")]
    NotDiameter {
        /// Who.
        to: SocketAddr,
        /// What came.
        what: String,
    },
    /// The USIMs' state cannot be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// The log of sequence numbers cannot be read or written.
    #[error("the log of sequence numbers {file}: {what}")]
    SqnLog {
        /// Its path.
        file: String,
        /// What is wrong.
        what: String,
    },
}

impl LoadConfig {
    /// Whether the run makes sense.
    ///
    /// # Errors
    /// What does not.
    pub fn check(&self, devices: usize) -> Result<(), LoadError> {
        let wrong = |what: &str| Err(LoadError::Config(what.into()));
        if devices == 0 {
            return wrong("there are no devices; give it a credentials file with at least one");
        }
        if self.connect.is_empty() {
            return wrong("there is no server to connect to");
        }
        if self.connections == 0 {
            return wrong("at least one connection is needed");
        }
        if self.verify == Verify::Usim && devices < self.connections {
            return wrong("there are more connections than devices; a device stays with one connection");
        }
        if !(1..=1 << 16).contains(&self.window) {
            return wrong("the window has to be 1 to 65536");
        }
        if !(1..=5).contains(&self.vectors) {
            return wrong("1 to 5 vectors can be asked for (TS 29.272 §7.3.14)");
        }
        if let Pace::Rate(rate) = self.pace
            && !(rate.is_finite() && rate > 0.0)
        {
            return wrong("the rate has to be above 0");
        }
        if self.procedures.is_none() && self.duration.is_none() {
            return wrong("it would never end: give a number of procedures or a duration");
        }
        if self.answer_timeout.is_zero() {
            return wrong("the time allowed for an answer has to be above 0");
        }
        Ok(())
    }

    /// Origin-Host of connection `n`, from 0.
    #[must_use]
    pub fn origin_host_of(&self, n: usize) -> String {
        self.origin_host.replace("{number}", &(n + 1).to_string())
    }
}
