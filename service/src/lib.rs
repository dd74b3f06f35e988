//! What every Callhome role needs once: configuration, telemetry, TLS, authorisation, REST, database, encryption at
//! rest, messages that arrive, shutdown, health.

pub mod api;
pub mod auth;
pub mod client;
pub mod config;
pub mod database;
pub mod health;
pub mod ocsp;
pub mod outbox;
pub mod preflight;
pub mod problem;
pub mod role;
pub mod sealed;
pub mod serve;
pub mod shutdown;
pub mod telemetry;
pub mod throttle;
pub mod tls;
