//! Ready authentication vectors: taken for credentials whose K stays elsewhere, handed out to suppliers (R3).

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::object;
use crate::identity::{Imsi, Plmn};

/// How full a pool is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AvPool {
    /// Whose.
    pub imsi: Imsi,
    /// Vectors left.
    pub left: u64,
    /// Vectors handed out.
    pub used: u64,
}

/// An E-UTRAN vector (TS 33.401 §6.1.2). Its KASME is bound to one visited network.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Vector {
    /// RAND, 32 hexadecimal digits.
    #[schema(pattern = "^[0-9a-fA-F]{32}$")]
    pub rand: String,
    /// XRES, 8 to 32 hexadecimal digits.
    #[schema(pattern = "^([0-9a-fA-F]{2}){4,16}$")]
    pub xres: String,
    /// AUTN, 32 hexadecimal digits.
    #[schema(pattern = "^[0-9a-fA-F]{32}$")]
    pub autn: String,
    /// KASME, 64 hexadecimal digits.
    #[schema(pattern = "^[0-9a-fA-F]{64}$")]
    pub kasme: String,
}

impl fmt::Debug for Vector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vector(…)")
    }
}

/// Vectors to be added, in the order in which they are to be used: their SQNs rise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewVectors {
    /// 1 to 1000.
    #[serde(deserialize_with = "object::many")]
    #[schema(min_items = 1, max_items = 1000)]
    pub vectors: Vec<Vector>,
}

/// What became of added vectors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VectorsAdded {
    /// How many were added.
    pub added: u64,
}

/// How many vectors to hand out, and for which network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GenerateVectors {
    /// Network whose MME will use them.
    pub visited_plmn: Plmn,
    /// 1 to 100.
    #[schema(minimum = 1, maximum = 100)]
    pub count: u32,
}

/// Vectors handed out. They are not kept and never handed out again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Vectors {
    /// Whose.
    pub imsi: Imsi,
    /// In the order in which they are to be used.
    pub vectors: Vec<Vector>,
}
