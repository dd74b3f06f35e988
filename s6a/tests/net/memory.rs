//! Over memory.

use crate::carriers::Memory as Carrier;

#[path = "capabilities.rs"]
mod capabilities;
#[path = "duplicates.rs"]
mod duplicates;
#[path = "hostile.rs"]
mod hostile;
#[path = "octets.rs"]
mod octets;
#[path = "requests.rs"]
mod requests;
#[path = "shutdown.rs"]
mod shutdown;
