//! What every Callhome role needs once: configuration, telemetry, TLS, authorisation, shutdown, health.

pub mod auth;
pub mod config;
pub mod health;
pub mod problem;
pub mod serve;
pub mod shutdown;
pub mod telemetry;
pub mod tls;
