//! Where and how a profile's credentials may be used.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, MapAccess, Unexpected, Visitor},
};
use utoipa::ToSchema;

/// `"any"` for no restriction, or `{"only": [...]}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AccessRule<T> {
    /// No restriction.
    Any,
    /// These only.
    Only(Vec<T>),
}

impl<T: PartialEq> AccessRule<T> {
    /// Whether `one` is allowed.
    pub fn allows(&self, one: &T) -> bool {
        match self {
            Self::Any => true,
            Self::Only(list) => list.contains(one),
        }
    }
}

/// By hand, so that whoever writes something else reads what it has to be.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for AccessRule<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Reader<T> {
            type Value = AccessRule<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(r#""any", or {"only": […]}"#)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                match text {
                    "any" => Ok(AccessRule::Any),
                    other => Err(E::invalid_value(Unexpected::Str(other), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut only = None;
                while let Some(key) = map.next_key::<String>()? {
                    match (key.as_str(), &only) {
                        ("only", None) => only = Some(map.next_value()?),
                        ("only", Some(_)) => return Err(A::Error::duplicate_field("only")),
                        _ => return Err(A::Error::unknown_field(&key, &["only"])),
                    }
                }
                only.map(AccessRule::Only).ok_or_else(|| A::Error::missing_field("only"))
            }
        }

        deserializer.deserialize_any(Reader(PhantomData))
    }
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
    /// 1007 (1006 is NR).
    LteM,
}

impl Rat {
    /// The RAT-Type value, TS 29.212 §5.3.31.
    #[must_use]
    pub fn code(self) -> u32 {
        match self {
            Self::Utran => 1000,
            Self::Geran => 1001,
            Self::Eutran => 1004,
            Self::EutranNbIot => 1005,
            Self::LteM => 1007,
        }
    }

    /// From a RAT-Type value; `None` for one that no profile can allow.
    #[must_use]
    pub fn from_code(code: u32) -> Option<Self> {
        [Self::Utran, Self::Geran, Self::Eutran, Self::EutranNbIot, Self::LteM]
            .into_iter()
            .find(|rat| rat.code() == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_any_or_a_list_and_what_is_neither_is_told_so() {
        let read = serde_json::from_str::<AccessRule<Rat>>;
        for (text, rule) in [
            (r#""any""#, AccessRule::Any),
            (r#"{"only":[]}"#, AccessRule::Only(vec![])),
            (r#"{"only":["eutran","lte-m"]}"#, AccessRule::Only(vec![Rat::Eutran, Rat::LteM])),
        ] {
            assert_eq!(read(text).unwrap(), rule);
            assert_eq!(serde_json::to_string(&rule).unwrap(), text);
        }
        for wrong in [r#"["eutran"]"#, r#""all""#, "7", "null"] {
            let error = read(wrong).unwrap_err();
            assert!(error.is_data() && error.to_string().contains(r#""any", or {"only": […]}"#), "{error}");
        }
        for wrong in [r#"{"only":["5g"]}"#, "{}", r#"{"any":[]}"#, r#"{"only":[],"only":[]}"#] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
