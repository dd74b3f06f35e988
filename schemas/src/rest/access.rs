//! Where and how a profile's credentials may be used.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `"any"` for no restriction, or `{"only": [...]}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AccessRule<T> {
    /// No restriction.
    Any,
    /// These only.
    Only(Vec<T>),
}

/// Radio access technologies (TS 29.212 §5.3.31).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rat {
    /// 1000.
    Utran,
    /// 1001.
    Geran,
    /// 1004.
    Eutran,
    /// 1005.
    EutranNbIot,
    /// 1006.
    LteM,
}
