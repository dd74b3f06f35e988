//! Reference Platform Validation Authority.
