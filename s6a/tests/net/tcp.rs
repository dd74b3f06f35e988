//! Over TCP.

use crate::carriers::Tcp as Carrier;

#[path = "capabilities.rs"]
mod capabilities;
#[path = "duplicates.rs"]
mod duplicates;
#[path = "exchange.rs"]
mod exchange;
#[path = "hostile.rs"]
mod hostile;
#[path = "listening.rs"]
mod listening;
#[path = "octets.rs"]
mod octets;
#[path = "reconnect.rs"]
mod reconnect;
#[path = "requests.rs"]
mod requests;
#[path = "shutdown.rs"]
mod shutdown;
