//! Which IMSIs credentials may have here: those of the networks that this ICF serves.

use schemas::identity::Imsi;

use crate::{config::IcfConfig, icf::relay::split::Split};

/// Digits of MCC and the shortest MNC (TS 23.003 §2.2).
const SHORTEST_PLMN: usize = 5;

/// The networks that are served.
#[derive(Debug, Clone, Default)]
pub struct ServedNetworks {
    /// What their IMSIs begin with; empty where it is not known.
    prefixes: Vec<String>,
    /// Shared with another HSS.
    split: Option<Split>,
    unchecked: bool,
}

impl ServedNetworks {
    /// All networks: nothing is refused.
    #[must_use]
    pub fn any() -> Self {
        Self { unchecked: true, ..Self::default() }
    }

    /// `icf.networks`; without, the network of `diameter.origin_realm`; and the ranges of `relay.ours`. Where the realm
    /// is of no network, nothing is known and every IMSI is taken.
    ///
    /// # Errors
    /// Which key cannot be.
    pub fn configured(config: &IcfConfig) -> Result<Self, String> {
        let prefixes = match &*config.icf.networks {
            [] => of_realm(&config.diameter.origin_realm),
            networks => networks.iter().map(|plmn| format!("{}{}", plmn.mcc(), plmn.mnc())).collect(),
        };
        let split = config.relay.as_ref().map(Split::new).transpose()?;
        Ok(Self { prefixes, split, unchecked: false })
    }

    /// Why a credential of this IMSI is not taken; `None` if it is.
    #[must_use]
    pub fn refusal(&self, imsi: Imsi) -> Option<String> {
        self.refusal_of(imsi, imsi)
    }

    /// Why a batch from `first` to `last` is not issued; `None` if it is. All of it has to be of one network.
    #[must_use]
    pub fn refusal_of(&self, first: Imsi, last: Imsi) -> Option<String> {
        if self.unchecked {
            return None;
        }
        if let Some(split) = &self.split {
            if split.reaches_theirs(first, last) {
                return Some(format!(
                    "{} of the HSS behind [relay] (relay.prefixes); only relay.ours is served here",
                    if first == last { "is" } else { "some of them are" }
                ));
            }
            if split.is_shared(first) {
                return None;
            }
        }
        let of = |imsi: Imsi| self.prefixes.iter().find(|prefix| imsi.has_prefix(prefix));
        match (of(first), of(last)) {
            (Some(one), Some(other)) if one == other => None,
            (Some(one), _) => Some(format!(
                "{last}, the last of them, is beyond the end of the network {one}…; take fewer, or start lower"
            )),
            (None, _) if !self.prefixes.is_empty() => Some(format!(
                "{first} is not of a network that is served here ({}…); name its network in icf.networks, or allow it \
                 (--allow-other-networks, allow_other_networks=true){}",
                self.prefixes.join("…, "),
                if first.digits() < Imsi::MAX_DIGITS {
                    ". It has less than 15 digits: were zeros in front lost?"
                } else {
                    ""
                }
            )),
            // Nothing is known of networks: the shortest MNC has two digits.
            _ => {
                let network = |imsi: Imsi| imsi.to_string().chars().take(SHORTEST_PLMN).collect::<String>();
                (network(first) != network(last)).then(|| {
                    format!(
                        "{last}, the last of them, is of another network than {first}; take fewer, or start lower"
                    )
                })
            }
        }
    }
}

/// What IMSIs of a home network realm begin with (TS 23.003 §19.2). The realm has three digits for every MNC: of
/// `mnc071` it is 71, or 071.
fn of_realm(realm: &str) -> Vec<String> {
    let realm = realm.to_ascii_lowercase();
    let labels: Vec<&str> = realm.rsplit('.').collect();
    let ["org", "3gppnetwork", mcc, mnc, ..] = &*labels else { return Vec::new() };
    let digits = |label: &str, name: &str| {
        let digits = label.strip_prefix(name)?;
        (digits.len() == 3 && digits.bytes().all(|c| c.is_ascii_digit())).then(|| digits.to_owned())
    };
    let (Some(mcc), Some(mnc)) = (digits(mcc, "mcc"), digits(mnc, "mnc")) else { return Vec::new() };
    let short = mnc.strip_prefix('0').map(|short| format!("{mcc}{short}"));
    short.into_iter().chain([format!("{mcc}{mnc}")]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imsi(text: &str) -> Imsi {
        text.parse().unwrap()
    }

    fn served(prefixes: &[&str]) -> ServedNetworks {
        let prefixes = prefixes.iter().map(|&prefix| prefix.to_owned()).collect();
        ServedNetworks { prefixes, ..ServedNetworks::default() }
    }

    #[test]
    fn a_realm_of_3gpp_names_its_network() {
        for (realm, wanted) in [
            ("epc.mnc071.mcc999.3gppnetwork.org", &["99971", "999071"][..]),
            ("EPC.MNC410.MCC310.3gppnetwork.org", &["310410"]),
            ("localdomain", &[]),
            ("epc.mnc71.mcc999.3gppnetwork.org", &[]),
        ] {
            assert_eq!(of_realm(realm), wanted, "{realm}");
        }
    }

    #[test]
    fn a_batch_ends_with_its_network() {
        let one = served(&["99971"]);
        for (first, last, wrong) in [
            ("999710000000001", "999719999999999", None),
            ("999719999999999", "999720000000000", Some("beyond the end of the network 99971")),
            ("001010000000001", "001010000000001", Some("not of a network that is served here (99971…)")),
            ("01010000000001", "01010000000001", Some("zeros in front lost")),
        ] {
            let refusal = one.refusal_of(imsi(first), imsi(last));
            assert_eq!(refusal.is_none(), wrong.is_none(), "{first}: {refusal:?}");
            assert!(refusal.unwrap_or_default().contains(wrong.unwrap_or_default()), "{first}");
        }
        // Two that are served are two.
        let two = served(&["99971", "99972"]);
        assert!(two.refusal_of(imsi("999719999999999"), imsi("999720000000000")).is_some());
        // Nothing is known.
        let none = ServedNetworks::default();
        assert_eq!(none.refusal(imsi("001010000000001")), None);
        assert!(none.refusal_of(imsi("999719999999999"), imsi("999720000000000")).is_some());
        assert_eq!(ServedNetworks::any().refusal_of(imsi("999719999999999"), imsi("999720000000000")), None);
    }

    #[test]
    fn of_a_shared_network_only_our_ranges_are_served() {
        let relay = crate::config::Relay {
            prefixes: vec!["99970".into()],
            ours: vec!["999700000500000-999700000599999".into()],
            ..crate::config::Relay::to("hss", "realm")
        };
        let shared = ServedNetworks { split: Some(Split::new(&relay).unwrap()), ..served(&["99971"]) };
        for (first, last, served) in [
            ("999700000500000", "999700000599999", true),
            ("999700000599999", "999700000600000", false),
            ("999700000000001", "999700000000001", false),
            ("999710000000001", "999710000000002", true),
            ("999699999999999", "999710000000000", false),
        ] {
            assert_eq!(shared.refusal_of(imsi(first), imsi(last)).is_none(), served, "{first}");
        }
    }
}
