//! Initial Connectivity Function: HSS/AuC for provisional IMSIs over S6a.
//!
//! Rooms: [`auc`] computes vectors and keeps sequence numbers, `procedure` decides each S6a procedure,
//! [`store`] remembers, `chtif` issues, `import` takes in bulk, `rest` is what people and scripts use, and
//! `icf` joins them on the path of a request. `networks` says whose credentials may be stored.

pub mod auc;
pub mod chtif;
pub mod config;
pub mod icf;
pub mod import;
pub mod model;
pub mod networks;
pub mod procedure;
pub mod rest;
pub mod start;
pub mod store;
