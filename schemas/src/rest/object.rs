//! JSON objects, and nothing else that serde would take for one: it reads a structure from an array too.

use std::{fmt, marker::PhantomData};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};

/// A structure that was written as an object.
#[derive(Debug)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Reader<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(Reader(PhantomData))
    }
}

/// For a field that holds an object.
pub(crate) fn one<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Object::deserialize(deserializer).map(|object| object.0)
}

/// For a field that holds an array of objects.
pub(crate) fn many<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    Vec::<Object<T>>::deserialize(deserializer).map(|objects| objects.into_iter().map(|one| one.0).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rest::{Ambr, Profile};

    #[test]
    fn an_array_is_no_object() {
        assert!(serde_json::from_str::<Ambr>("[1,2]").is_ok(), "what serde does by itself");
        assert!(serde_json::from_str::<Object<Ambr>>("[1,2]").is_err());
        assert!(serde_json::from_str::<Object<Ambr>>(r#"{"uplink":1,"downlink":2}"#).is_ok());
        let ambr = r#"{"uplink":1,"downlink":2}"#;
        assert!(serde_json::from_str::<Profile>(&format!(r#"{{"apns":[],"ambr":{ambr}}}"#)).is_ok());
        assert!(serde_json::from_str::<Profile>(r#"{"apns":[],"ambr":[1,2]}"#).is_err());
        let apn = format!(r#"["x","ipv4",9,[1],{ambr}]"#);
        assert!(serde_json::from_str::<Profile>(&format!(r#"{{"apns":[{apn}],"ambr":{ambr}}}"#)).is_err());
    }
}
