//! Which features both sides have (TS 29.272 §7.3.10, TS 29.229 §6.3.29).

use s6a::{
    app::{FeatureList1, FeatureList2, SupportedFeatures},
    codec::{Repeated, dictionary::VENDOR_3GPP},
};

/// What the ICF supports of Feature-List-ID 1.
pub const OURS_1: FeatureList1 = FeatureList1::ODB_ALL_APN
    .with(FeatureList1::ODB_HPLMN_APN)
    .with(FeatureList1::ODB_VPLMN_APN)
    .with(FeatureList1::ODB_ALL_OUTGOING)
    .with(FeatureList1::ODB_ALL_INTERNATIONAL_OUTGOING)
    .with(FeatureList1::ODB_INTERNATIONAL_OUTGOING_NOT_TO_HPLMN_COUNTRY)
    .with(FeatureList1::ODB_ALL_INTERZONAL_OUTGOING)
    .with(FeatureList1::ODB_INTERZONAL_OUTGOING_NOT_TO_HPLMN_COUNTRY)
    .with(FeatureList1::ODB_INTERZONAL_AND_INTERNATIONAL_OUTGOING_NOT_TO_HPLMN_COUNTRY)
    .with(FeatureList1::REGIONAL_SUBSCRIPTION)
    .with(FeatureList1::SM_MO_PP)
    .with(FeatureList1::PARTIAL_PURGE)
    .with(FeatureList1::ADDITIONAL_MSISDN);

/// What the ICF supports of Feature-List-ID 2.
pub const OURS_2: FeatureList2 = FeatureList2::SMS_IN_MME
    .with(FeatureList2::SMS_IN_SGSN)
    .with(FeatureList2::PROSE)
    .with(FeatureList2::NON_IP_PDN_TYPE_APNS)
    .with(FeatureList2::REMOVAL_OF_MSISDN)
    .with(FeatureList2::EMERGENCY_SERVICE_CONTINUITY)
    .with(FeatureList2::V2X)
    .with(FeatureList2::EXTERNAL_IDENTIFIER)
    .with(FeatureList2::NR_AS_SECONDARY_RAT)
    .with(FeatureList2::UNLICENSED_SPECTRUM_AS_SECONDARY_RAT);

/// A feature of one of the lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// Of Feature-List-ID 1.
    One(FeatureList1),
    /// Of Feature-List-ID 2.
    Two(FeatureList2),
}

impl From<FeatureList1> for Feature {
    fn from(feature: FeatureList1) -> Self {
        Self::One(feature)
    }
}

impl From<FeatureList2> for Feature {
    fn from(feature: FeatureList2) -> Self {
        Self::Two(feature)
    }
}

/// The features that a serving node has said it supports: Feature-List of id 1 and id 2. `None` if it has said nothing,
/// as an MME of Open5GS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NodeFeatures(pub Option<[u32; 2]>);

impl NodeFeatures {
    /// From the Supported-Features of a request; lists of other vendors and other numbers are of no interest.
    #[must_use]
    pub fn told(told: Repeated<'_, SupportedFeatures>) -> Self {
        let mut lists = None;
        for one in told.iter().filter(|one| one.vendor_id == VENDOR_3GPP) {
            let place = match one.feature_list_id {
                1 => 0,
                2 => 1,
                _ => continue,
            };
            lists.get_or_insert([0; 2])[place] |= one.feature_list;
        }
        Self(lists)
    }

    /// For the answer: the lists that the node has told, with what both sides support. Empty if it has told none.
    #[must_use]
    pub fn common(self) -> Vec<SupportedFeatures> {
        let Self(Some([one, two])) = self else { return Vec::new() };
        [(1, one & OURS_1.0), (2, two & OURS_2.0)]
            .into_iter()
            .filter(|(_, bits)| *bits != 0)
            .map(|(id, bits)| SupportedFeatures::of_3gpp(id, bits))
            .collect()
    }

    /// Whether the node has said that it supports a feature.
    #[must_use]
    pub fn has(self, feature: impl Into<Feature>) -> bool {
        let Self(Some([one, two])) = self else { return false };
        match feature.into() {
            Feature::One(wanted) => FeatureList1(one).has(wanted),
            Feature::Two(wanted) => FeatureList2(two).has(wanted),
        }
    }

    /// Whether the node may be told what belongs to a feature: unless it has told its features, and this one is not
    /// among them. A node that tells none ignores what it does not know, since such AVPs have no M bit.
    #[must_use]
    pub fn may_know(self, feature: impl Into<Feature>) -> bool {
        self.0.is_none() || self.has(feature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lists: &[(u32, u32)]) -> NodeFeatures {
        let told: Vec<_> = lists.iter().map(|(id, bits)| SupportedFeatures::of_3gpp(*id, *bits)).collect();
        NodeFeatures::told((&told[..]).into())
    }

    #[test]
    fn the_answer_has_only_what_both_sides_support() {
        // Trace (10) and Additional MSISDN (31); Reset-IDs (17) and NR as secondary RAT (27).
        let node = told(&[(1, 1 << 10 | 1 << 31), (2, 1 << 17 | 1 << 27)]);
        let common: Vec<_> = node.common().iter().map(|it| (it.feature_list_id, it.feature_list)).collect();
        assert_eq!(common, [(1, 1 << 31), (2, 1 << 27)]);
        assert!(node.has(FeatureList1::ADDITIONAL_MSISDN) && node.has(FeatureList2::NR_AS_SECONDARY_RAT));
        assert!(!node.has(FeatureList2::SMS_IN_MME) && !node.may_know(FeatureList2::SMS_IN_MME));
    }

    #[test]
    fn who_tells_nothing_is_told_nothing_of_features() {
        let node = told(&[]);
        assert_eq!((node, node.common()), (NodeFeatures(None), Vec::new()));
        assert!(!node.has(FeatureList1::ADDITIONAL_MSISDN) && node.may_know(FeatureList1::ADDITIONAL_MSISDN));
    }

    #[test]
    fn lists_of_others_are_ignored_and_one_without_common_features_is_not_answered() {
        let mut other = SupportedFeatures::of_3gpp(1, u32::MAX);
        other.vendor_id = 1;
        let lists = [other, SupportedFeatures::of_3gpp(3, u32::MAX)];
        assert_eq!(NodeFeatures::told((&lists[..]).into()), NodeFeatures(None));
        assert_eq!(told(&[(1, 1 << 10)]).common(), Vec::new());
    }
}
