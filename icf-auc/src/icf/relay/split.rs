//! Which IMSIs of a shared network are whose.

use schemas::identity::Imsi;

use crate::config;

/// Which IMSIs are whose.
#[derive(Debug, Clone)]
pub struct Split {
    networks: Vec<String>,
    ours: Vec<(Imsi, Imsi)>,
}

impl Split {
    /// From the configuration.
    ///
    /// # Errors
    /// Which key cannot be.
    pub fn new(config: &config::Relay) -> Result<Self, String> {
        let digits =
            |text: &String| text.len() >= 5 && text.len() <= 15 && text.bytes().all(|b| b.is_ascii_digit());
        if config.prefixes.is_empty() || !config.prefixes.iter().all(digits) {
            return Err(
                "relay.prefixes: digits that the shared IMSIs begin with, 5 to 15, as [\"99970\"]".into()
            );
        }
        let range = |text: &String| {
            let (first, last) = text.split_once('-')?;
            let (first, last) = (first.parse::<Imsi>().ok()?, last.parse::<Imsi>().ok()?);
            (first.digits() == last.digits() && first <= last).then_some((first, last))
        };
        let ours = config.ours.iter().map(|text| {
            range(text).ok_or_else(|| format!("relay.ours: {text:?} is no FIRST-LAST of IMSIs of one length"))
        });
        Ok(Self { networks: config.prefixes.clone(), ours: ours.collect::<Result<_, _>>()? })
    }

    /// Whether an IMSI is of the shared network, whoever has it.
    #[must_use]
    pub fn is_shared(&self, imsi: Imsi) -> bool {
        self.networks.iter().any(|prefix| imsi.has_prefix(prefix))
    }

    /// Whether any IMSI from `first` to `last`, of one length, is the other HSS's.
    #[must_use]
    pub fn reaches_theirs(&self, first: Imsi, last: Imsi) -> bool {
        self.networks.iter().any(|prefix| {
            let fill = |digit: &str| {
                let missing = first.digits().checked_sub(prefix.len())?;
                format!("{prefix}{}", digit.repeat(missing)).parse::<Imsi>().ok()
            };
            let (Some(from), Some(to)) = (fill("0"), fill("9")) else { return false };
            let (from, to) = (from.max(first), to.min(last));
            from <= to && !self.ours.iter().any(|(one, other)| *one <= from && to <= *other)
        })
    }

    /// Whether an IMSI is the other HSS's: of a shared network, and in no range of ours.
    #[must_use]
    pub fn is_theirs(&self, imsi: Imsi) -> bool {
        self.is_shared(imsi) && !self.ours.iter().any(|(first, last)| (*first..=*last).contains(&imsi))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split() -> Split {
        Split::new(&config::Relay {
            prefixes: vec!["99970".into()],
            ours: vec!["999700000500000-999700000599999".into()],
            ..config::Relay::to("hss.localdomain", "localdomain")
        })
        .unwrap()
    }

    #[test]
    fn imsis_of_the_shared_network_outside_our_ranges_are_theirs() {
        for (imsi, theirs) in [
            ("999700000499999", true),
            ("999700000500000", false),
            ("999700000599999", false),
            ("999700000600000", true),
            ("999710000000001", false),
        ] {
            let imsi = imsi.parse().unwrap();
            assert_eq!(split().is_theirs(imsi), theirs, "{imsi}");
            assert_eq!(split().is_shared(imsi), imsi.has_prefix("99970"), "{imsi}");
        }
    }

    #[test]
    fn what_cannot_be_is_said_by_its_key() {
        let config = |prefixes: &[&str], ours: &[&str]| config::Relay {
            prefixes: prefixes.iter().map(ToString::to_string).collect(),
            ours: ours.iter().map(ToString::to_string).collect(),
            ..config::Relay::to("h", "r")
        };
        for bad in [config(&[], &[]), config(&["9997"], &[]), config(&["9997x"], &[])] {
            assert!(Split::new(&bad).unwrap_err().contains("relay.prefixes"));
        }
        for bad in ["999700000000001", "999700000000002-999700000000001", "99970000001-999700000000002"] {
            assert!(Split::new(&config(&["99970"], &[bad])).unwrap_err().contains("relay.ours"), "{bad}");
        }
    }
}
