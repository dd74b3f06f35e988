//! What one subscriber has otherwise than its profile.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::{Map, Value};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ArrayBuilder, ObjectBuilder, OneOfBuilder, RefOr, Schema, Type, schema::AdditionalProperties},
};

use super::{Apn, MAX_APNS, Profile, StaticAddress, WrongField};
use crate::rest::Object;

/// The fields of a profile that a credential can have otherwise: what serving nodes are told, but for the APNs, which
/// are in `apns`.
const FIELDS: [&str; 32] = [
    "ambr",
    "allowed_rats",
    "network_access_mode",
    "periodic_tau",
    "active_time",
    "edrx",
    "dl_buffering_packets",
    "service_gap_time",
    "barring",
    "hplmn_barring",
    "access_restrictions",
    "core_network_restrictions",
    "zone_codes",
    "additional_msisdn",
    "external_identifier",
    "stn_sr",
    "vsrvcc",
    "ics",
    "sms",
    "apn_oi_replacement",
    "charging_characteristics",
    "rfsp_index",
    "mps_priority",
    "ue_usage_type",
    "vplmn_lipa",
    "relay_node",
    "mdt_user_consent",
    "aerial_ue",
    "user_plane_integrity",
    "prose_permission",
    "v2x",
    "emergency_gateway",
];
/// What of an APN is its identity, and stays.
const IDENTITY: [&str; 2] = ["name", "context_id"];
const APNS: &str = "apns";

/// A partial profile of one credential, merged into the credential's profile: its fields take the place of the
/// profile's. `apns` is an object by APN name, of fields of that APN, as
/// `{"additional_msisdn": "883130000000124", "apns": {"ims": {"addresses": ["10.45.0.7"]}}}`; or a list of whole APNs,
/// which takes the place of the profile's list.
///
/// Field by field it is a JSON Merge Patch (RFC 7396) of the profile, but for `null`: an override sets, and takes
/// nothing away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Overrides(Map<String, Value>);

impl Overrides {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// From JSON, with fields that there are.
    ///
    /// # Errors
    /// The first field that cannot be overridden; what there is instead.
    pub fn new(fields: Map<String, Value>) -> Result<Self, String> {
        for (field, value) in &fields {
            match (field.as_str(), value) {
                (_, Value::Null) => {
                    return Err(format!("{field}: null takes nothing away here; leave it out"));
                }
                (APNS, Value::Object(apns)) => check_apns(apns)?,
                (APNS, Value::Array(apns)) => check_apn_list(apns)?,
                (APNS, _) => {
                    return Err("apns: an object by APN name, as {\"ims\": {\"addresses\": []}}, or a list of APNs that \
                                takes the place of the profile's"
                        .into());
                }
                (other, _) if FIELDS.contains(&other) => {}
                (other, _) => {
                    return Err(format!(
                        "{other}: cannot be overridden; there are apns, {}",
                        FIELDS.join(", ")
                    ));
                }
            }
        }
        Ok(Self(fields))
    }

    /// These overrides after a JSON Merge Patch (RFC 7396), whose `null` removes an override. Where `apns` is a list, an
    /// object by APN name changes its APNs, and `null` for one takes it out of the list.
    ///
    /// # Errors
    /// As [`Overrides::new`]; an APN that the list does not have.
    pub fn patched(&self, patch: &Map<String, Value>) -> Result<Self, String> {
        let mut fields = Value::Object(self.0.clone());
        let mut patch = patch.clone();
        if let (Some(Value::Array(list)), Some(Value::Object(apns))) = (fields.get_mut(APNS), patch.get(APNS))
        {
            patch_list(list, apns)?;
            patch.remove(APNS);
        }
        merge(&mut fields, &Value::Object(patch));
        let Value::Object(mut fields) = fields else { return Ok(Self::default()) };
        if let Some(Value::Object(apns)) = fields.get_mut(APNS) {
            apns.retain(|_, apn| apn.as_object().is_none_or(|apn| !apn.is_empty()));
            if apns.is_empty() {
                fields.remove(APNS);
            }
        }
        Self::new(fields)
    }

    /// The profile as it is for this credential.
    ///
    /// # Errors
    /// What does not go together with the profile: an APN that it does not have, or a value that no serving node would
    /// take. Pointers are into the overrides.
    pub fn merged(&self, profile: &Profile) -> Result<Profile, Vec<WrongField>> {
        let wrong = |pointer: &str, detail: String| vec![WrongField { pointer: pointer.to_owned(), detail }];
        let whole_list = matches!(self.0.get(APNS), Some(Value::Array(_)));
        let mut json = serde_json::to_value(profile).map_err(|error| wrong("", error.to_string()))?;
        for (field, value) in &self.0 {
            match value {
                Value::Object(apns) if field == APNS => merge_apns(&mut json[APNS], profile, apns)?,
                value => merge(&mut json[field.as_str()], value),
            }
        }
        let merged: Profile = serde_json::from_value(json).map_err(|error| wrong("", error.to_string()))?;
        let found = merged.check_subscriber();
        if found.is_empty() {
            return Ok(merged);
        }
        if whole_list {
            return Err(found);
        }
        Err(found.into_iter().map(|it| WrongField { pointer: by_name(profile, &it.pointer), ..it }).collect())
    }

    /// Static addresses by APN name, in lower case: each is one subscriber's.
    #[must_use]
    pub fn addresses(&self) -> BTreeMap<String, Vec<StaticAddress>> {
        let apns: Vec<(&str, &Value)> = match self.0.get(APNS) {
            Some(Value::Object(apns)) => apns.iter().map(|(name, apn)| (name.as_str(), apn)).collect(),
            Some(Value::Array(apns)) => apns.iter().filter_map(|apn| Some((name_of(apn)?, apn))).collect(),
            _ => Vec::new(),
        };
        apns.into_iter()
            .filter_map(|(name, apn)| {
                let addresses = serde_json::from_value(apn.get("addresses")?.clone()).ok()?;
                Some((name.to_ascii_lowercase(), addresses))
            })
            .collect()
    }
}

/// The name of an APN of a list.
fn name_of(apn: &Value) -> Option<&str> {
    apn.get("name").and_then(Value::as_str)
}

/// Changes APNs of a list by name.
///
/// # Errors
/// The list has no such APN, or the name is to be another.
fn patch_list(list: &mut Vec<Value>, apns: &Map<String, Value>) -> Result<(), String> {
    for (name, fields) in apns {
        let place = list.iter().position(|apn| name_of(apn).is_some_and(|it| it.eq_ignore_ascii_case(name)));
        match (place, fields) {
            (Some(place), Value::Null) => {
                list.remove(place);
            }
            (Some(place), Value::Object(fields)) if !fields.contains_key("name") => {
                if let Some(apn) = list.get_mut(place) {
                    merge(apn, &Value::Object(fields.clone()));
                }
            }
            (Some(_), Value::Object(_)) => {
                return Err(format!("apns.{name}.name: cannot be changed; give apns as a list"));
            }
            (Some(_), _) => return Err(format!("apns.{name}: an object of fields of the APN, or null")),
            (None, _) => {
                let have: Vec<&str> = list.iter().filter_map(name_of).collect();
                return Err(format!(
                    "apns.{name}: the subscriber has no such APN; it has {}",
                    have.join(", ")
                ));
            }
        }
    }
    Ok(())
}

fn check_apn_list(apns: &[Value]) -> Result<(), String> {
    if !(1..=MAX_APNS).contains(&apns.len()) {
        return Err(format!("apns: 1 to {MAX_APNS} APNs, the first being the default"));
    }
    for (place, apn) in apns.iter().enumerate() {
        // As the profile would read it, so that what cannot be read is told here.
        serde_json::from_value::<Apn>(apn.clone()).map_err(|error| format!("apns.{place}: {error}"))?;
    }
    Ok(())
}

fn check_apns(apns: &Map<String, Value>) -> Result<(), String> {
    for (name, apn) in apns {
        let Value::Object(apn) = apn else {
            return Err(format!("apns.{name}: an object of fields of the APN, as {{\"addresses\": []}}"));
        };
        for (field, value) in apn {
            if IDENTITY.contains(&field.as_str()) {
                return Err(format!("apns.{name}.{field}: is the profile's, and cannot be overridden"));
            }
            if value.is_null() {
                return Err(format!("apns.{name}.{field}: null takes nothing away here; leave it out"));
            }
        }
    }
    Ok(())
}

fn merge_apns(all: &mut Value, profile: &Profile, apns: &Map<String, Value>) -> Result<(), Vec<WrongField>> {
    for (name, fields) in apns {
        let place = profile.apns.iter().position(|apn| apn.name.eq_ignore_ascii_case(name));
        let Some(apn) = place.and_then(|place| all.get_mut(place)) else {
            let have: Vec<&str> = profile.apns.iter().map(|apn| apn.name.as_str()).collect();
            let detail = format!("the profile has no such APN; it has {}", have.join(", "));
            return Err(vec![WrongField { pointer: format!("/apns/{}", escaped(name)), detail }]);
        };
        merge(apn, fields);
    }
    Ok(())
}

/// A pointer into the merged profile, as one into the overrides: APNs by name.
fn by_name(profile: &Profile, pointer: &str) -> String {
    let Some(rest) = pointer.strip_prefix("/apns/") else { return pointer.to_owned() };
    let (place, rest) = rest.split_once('/').unwrap_or((rest, ""));
    match place.parse().ok().and_then(|place: usize| profile.apns.get(place)) {
        Some(apn) => format!("/apns/{}/{rest}", escaped(&apn.name)),
        None => pointer.to_owned(),
    }
}

/// A name as a pointer's part (RFC 6901 §3).
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// RFC 7396 §2.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (field, value) in patch {
        if value.is_null() {
            target.remove(field);
        } else {
            merge(target.entry(field.clone()).or_insert(Value::Null), value);
        }
    }
}

impl<'de> Deserialize<'de> for Overrides {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Object::<Map<String, Value>>::deserialize(deserializer)?.0;
        Self::new(fields).map_err(D::Error::custom)
    }
}

impl PartialSchema for Overrides {
    /// The profile's schema of those fields, none required; APNs by name.
    fn schema() -> RefOr<Schema> {
        let mut overrides = ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some(
                "What this subscriber has otherwise than its profile: fields of the profile, and of its APNs by name",
            ))
            .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)));
        for (field, schema) in properties(Profile::schema(), |field| FIELDS.contains(&field)) {
            overrides = overrides.property(field, schema);
        }
        let mut apn = ObjectBuilder::new()
            .schema_type(Type::Object)
            .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)));
        for (field, schema) in properties(Apn::schema(), |field| !IDENTITY.contains(&field)) {
            apn = apn.property(field, schema);
        }
        let by_name = ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some("Fields of the profile's APNs, by the APN's name"))
            .additional_properties(Some(Schema::Object(apn.build())));
        let list = ArrayBuilder::new()
            .description(Some(
                "All APNs of the subscriber, in place of the profile's; the first is the default",
            ))
            .items(Apn::schema())
            .min_items(Some(1))
            .max_items(Some(MAX_APNS));
        overrides.property(APNS, OneOfBuilder::new().item(by_name).item(list)).into()
    }
}

fn properties(
    schema: RefOr<Schema>,
    wanted: impl Fn(&str) -> bool,
) -> impl Iterator<Item = (String, RefOr<Schema>)> {
    let properties = match schema {
        RefOr::T(Schema::Object(object)) => object.properties.into_iter().collect(),
        _ => Vec::new(),
    };
    properties.into_iter().filter(move |(field, _)| wanted(field))
}

impl ToSchema for Overrides {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subscription::Ambr;

    fn profile() -> Profile {
        let rate = Ambr { uplink: 1000, downlink: 2000 };
        Profile::new("p", vec![Apn::new("internet", rate), Apn::new("ims", rate)], rate)
    }

    fn overrides(text: &str) -> Result<Overrides, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_overridden_takes_the_place_of_the_profiles_and_the_rest_stays() {
        let text = r#"{"stn_sr":"883130000000999","ambr":{"uplink":7},"apns":{"IMS":{"addresses":["10.0.0.1"],"qci":5}}}"#;
        let merged = overrides(text).unwrap().merged(&profile()).unwrap();
        let mut wanted = profile();
        wanted.stn_sr = Some("883130000000999".into());
        wanted.ambr.uplink = 7;
        wanted.apns[1].qci = 5;
        wanted.apns[1].addresses = vec!["10.0.0.1".parse().unwrap()];
        assert_eq!(merged, wanted);
        assert_eq!(overrides("{}").unwrap().merged(&profile()).unwrap(), profile());
    }

    #[test]
    fn what_does_not_go_with_the_profile_is_told_with_its_place_in_the_overrides() {
        let wrong = |text: &str| {
            let found = overrides(text).unwrap().merged(&profile()).unwrap_err();
            (found[0].pointer.clone(), found[0].detail.clone())
        };
        let (pointer, detail) = wrong(r#"{"apns":{"mms":{"addresses":["10.0.0.1"]}}}"#);
        assert_eq!(pointer, "/apns/mms");
        assert!(detail.contains("internet, ims"), "{detail}");
        assert_eq!(wrong(r#"{"apns":{"ims":{"addresses":["2001:db8::/64"]}}}"#).0, "/apns/ims/addresses");
        assert_eq!(wrong(r#"{"stn_sr":"+1"}"#).0, "/stn_sr");
        assert!(wrong(r#"{"ambr":{"uplink":"fast"}}"#).1.contains("fast"));
    }

    #[test]
    fn what_is_not_the_subscribers_cannot_be_overridden() {
        for (text, said) in [
            (r#"{"lifetime":1}"#, "lifetime: cannot be overridden"),
            (r#"{"stn_sr":null}"#, "leave it out"),
            (r#"{"apns":7}"#, "an object by APN name"),
            (r#"{"apns":[]}"#, "1 to 50 APNs"),
            (r#"{"apns":[{"name":"x"}]}"#, "apns.0: missing field `ambr`"),
            (r#"{"apns":{"ims":{"name":"x"}}}"#, "apns.ims.name"),
            (r#"{"apns":{"ims":7}}"#, "apns.ims"),
            ("[]", "object"),
        ] {
            let error = overrides(text).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn a_patch_sets_and_null_takes_away() {
        let first = overrides(r#"{"stn_sr":"1","apns":{"ims":{"qci":5,"addresses":["10.0.0.1"]}}}"#).unwrap();
        let patched = |text: &str| first.patched(&serde_json::from_str(text).unwrap()).unwrap();
        let after = patched(r#"{"rfsp_index":3,"stn_sr":null,"apns":{"ims":{"qci":null}}}"#);
        assert_eq!(
            after,
            overrides(r#"{"rfsp_index":3,"apns":{"ims":{"addresses":["10.0.0.1"]}}}"#).unwrap()
        );
        assert_eq!(patched(r#"{"apns":{"ims":null}}"#), overrides(r#"{"stn_sr":"1"}"#).unwrap());
        assert!(patched(r#"{"stn_sr":null,"apns":null}"#).is_empty());
        assert_eq!(first.addresses()["ims"], ["10.0.0.1".parse().unwrap()]);
    }

    #[test]
    fn a_list_of_apns_takes_the_place_of_the_profiles() {
        let text = r#"{"apns":[{"name":"m2m","ambr":{"uplink":1,"downlink":2},"addresses":["10.0.0.1"]},
            {"name":"ims","ambr":{"uplink":3,"downlink":4}}]}"#;
        let list = overrides(text).unwrap();
        let names = |overrides: &Overrides| {
            let merged = overrides.merged(&profile()).unwrap();
            merged.apns.iter().map(|apn| (apn.name.clone(), apn.qci)).collect::<Vec<_>>()
        };
        assert_eq!(names(&list), [("m2m".to_owned(), 9), ("ims".to_owned(), 9)]);
        assert_eq!(list.addresses()["m2m"], ["10.0.0.1".parse().unwrap()]);
        let patched = |text: &str| list.patched(&serde_json::from_str(text).unwrap());
        let after = patched(r#"{"apns":{"IMS":{"qci":5},"m2m":{"addresses":null}}}"#).unwrap();
        assert_eq!(names(&after), [("m2m".to_owned(), 9), ("ims".to_owned(), 5)]);
        assert!(after.addresses().is_empty());
        assert_eq!(names(&patched(r#"{"apns":{"m2m":null}}"#).unwrap()), [("ims".to_owned(), 9)]);
        assert!(patched(r#"{"apns":null}"#).unwrap().is_empty());
        assert!(patched(r#"{"apns":{"mms":{}}}"#).unwrap_err().contains("it has m2m, ims"));
        assert!(patched(r#"{"apns":{"ims":{"name":"x"}}}"#).unwrap_err().contains("apns.ims.name"));
        let twice = text.replace("m2m", "ims");
        let wrong = overrides(&twice).unwrap().merged(&profile()).unwrap_err();
        assert_eq!(wrong[0].pointer, "/apns/1/name");
    }

    #[test]
    fn every_field_that_can_be_overridden_is_one_of_a_profile() {
        let there: Vec<String> = properties(Profile::schema(), |_| true).map(|(field, _)| field).collect();
        for field in FIELDS {
            assert!(there.iter().any(|it| it == field), "{field}");
        }
    }
}
