//! Reference Selected Home Operator (SHO): seed, section 2.4 and steps 11 to 15 and 19 of section 5.
//!
//! It has contracts for devices, numbers to give them, a policy on platforms, and an HSS that its subscribers live in.
//! Pure: [`policy`], [`verdict`], [`compose`]. Durable: [`store`], one operator a database. [`machine`] carries a
//! session from state to state, each in a transaction of its own; [`connector`] speaks to the HSS.

pub mod clock;
pub mod compose;
pub mod config;
pub mod connector;
pub mod keys;
pub mod machine;
pub mod metrics;
pub mod model;
pub mod policy;
pub mod rest;
pub mod start;
pub mod store;
pub mod sweeper;
pub mod verdict;
