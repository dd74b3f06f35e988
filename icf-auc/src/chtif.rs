//! Call Home Triple Issuing Function (the seed's section 3.1): issues provisional credentials and the
//! manufacturing triple (R1, R2), hands single ones to an ICF elsewhere that lacks them (R4),
//! and tells whose triple one is.

pub mod fetch;
pub mod issue;
pub mod issued;
pub mod issuer;
pub mod seal;
pub mod serve;
mod unknown;
pub mod verify;
