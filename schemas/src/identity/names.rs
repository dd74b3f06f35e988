//! Names of devices, operators and suppliers: text that is safe in a path, a certificate and a log.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, de};

/// A text is not such a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {rule}")]
pub struct NameError {
    /// Name of what.
    what: &'static str,
    /// What is allowed.
    rule: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal, $allowed:expr, $rule:literal, $pattern:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl $name {
            /// Its text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                let allowed: fn(u8) -> bool = $allowed;
                if text.is_empty() || text.len() > $max || !text.bytes().all(allowed) {
                    return Err(NameError { what: $what, rule: $rule });
                }
                Ok(Self(text.into()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }

        impl utoipa::ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::Type::String)
                    .pattern(Some($pattern))
                    .into()
            }
        }
    };
}

fn wide(c: u8) -> bool {
    c.is_ascii_alphanumeric() || b"._:-".contains(&c)
}

fn narrow(c: u8) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-'
}

name! {
    /// Identity of the M2M/IoT node, embedded at manufacture (seed, section 3.2.3).
    DeviceId, "a device identity", 64, wide, "1 to 64 of A-Z a-z 0-9 . _ : -", "^[A-Za-z0-9._:-]{1,64}$"
}
name! {
    /// Identity of the trusted environment in the device (seed, section 3.2.3).
    TreId, "a TRE identity", 64, wide, "1 to 64 of A-Z a-z 0-9 . _ : -", "^[A-Za-z0-9._:-]{1,64}$"
}
name! {
    /// An operator, as the registry knows it: an SHO, or the registration operator itself.
    OperatorId, "an operator's identity", 32, narrow, "1 to 32 of a-z 0-9 -", "^[a-z0-9-]{1,32}$"
}
name! {
    /// A supplier of devices (seed, section 2.5).
    SupplierId, "a supplier's identity", 32, narrow, "1 to 32 of a-z 0-9 -", "^[a-z0-9-]{1,32}$"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_the_rule_says() {
        assert_eq!("meter-1:A.b_c".parse::<DeviceId>().unwrap().to_string(), "meter-1:A.b_c");
        for bad in ["", "a b", "a/b", "ü", &"a".repeat(65)] {
            assert!(bad.parse::<DeviceId>().is_err(), "{bad}");
        }
        for bad in ["", "Upper", "a.b", &"a".repeat(33)] {
            assert!(bad.parse::<OperatorId>().is_err(), "{bad}");
        }
        assert!(serde_json::from_str::<TreId>("\"a b\"").unwrap_err().to_string().contains("TRE identity"));
    }
}
