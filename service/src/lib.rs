//! What every Callhome role needs once: configuration, telemetry, TLS, authorisation, shutdown, health.
