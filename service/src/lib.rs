//! What every Callhome role needs once: configuration, telemetry, TLS, authorisation, shutdown, health.

pub mod auth;
pub mod config;
pub mod problem;
pub mod serve;
pub mod tls;
