//! Download and Provisioning Function.
