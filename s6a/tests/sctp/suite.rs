//! The tests of `tests/net` over SCTP.

use crate::carrier::Sctp as Carrier;

#[path = "../net/capabilities.rs"]
mod capabilities;
#[path = "../net/duplicates.rs"]
mod duplicates;
#[path = "../net/exchange.rs"]
mod exchange;
#[path = "../net/hostile.rs"]
mod hostile;
#[path = "../net/listening.rs"]
mod listening;
#[path = "../net/reconnect.rs"]
mod reconnect;
#[path = "../net/requests.rs"]
mod requests;
#[path = "../net/shutdown.rs"]
mod shutdown;
