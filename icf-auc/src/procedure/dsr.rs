//! Delete subscriber data (TS 29.272 §5.2.2.2): what an IDR cannot take away.

use s6a::app::{APPLICATION_ID, DeleteSubscriberDataRequest, DsrFlags};

use crate::model::Profile;

/// What is withdrawn, for a DSR.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Withdrawal {
    /// DSR-Flags (§7.3.25).
    pub flags: DsrFlags,
    /// RAT-Types whose eDRX cycle lengths go: eDRX-Related-RAT (§7.3.229).
    pub edrx_rats: Vec<u32>,
    /// External-Identifiers that go; the flag alone does not name them.
    pub external_identifiers: Vec<String>,
}

/// What is withdrawn when `new` takes the place of `old` and an IDR has told the rest: an IDR replaces values
/// and all APNs, but leaves what it does not mention. None if there is nothing to withdraw.
///
/// No flag withdraws Active-Time, Service-Gap-Time, RFSP index, MPS-Priority, ICS-Indicator, permissions of LIPA, relay
/// node, MDT and flight, nor the gateway of emergency connections: a node keeps them until the UE attaches again.
#[must_use]
pub fn withdrawn(old: &Profile, new: &Profile) -> Option<Withdrawal> {
    let lost = |had: bool, has: bool, flag: DsrFlags| if had && !has { flag } else { DsrFlags::default() };
    macro_rules! option {
        ($field:ident, $flag:ident) => {
            lost(old.$field.is_some(), new.$field.is_some(), DsrFlags::$flag)
        };
    }
    let flags = [
        lost(!old.zone_codes.is_empty(), !new.zone_codes.is_empty(), DsrFlags::REGIONAL_SUBSCRIPTION),
        option!(charging_characteristics, CHARGING_CHARACTERISTICS),
        option!(stn_sr, STN_SR),
        option!(apn_oi_replacement, APN_OI_REPLACEMENT),
        option!(sms, SMS),
        option!(periodic_tau, SUBSCRIBED_PERIODIC_RAU_TAU_TIMER),
        lost(old.vsrvcc, new.vsrvcc, DsrFlags::SUBSCRIBED_VSRVCC),
        option!(additional_msisdn, A_MSISDN),
        option!(prose_permission, PROSE),
        option!(dl_buffering_packets, DL_BUFFERING_SUGGESTED_PACKET_COUNT),
        lost(old.user_plane_integrity, new.user_plane_integrity, DsrFlags::USER_PLANE_INTEGRITY_PROTECTION),
        option!(ue_usage_type, UE_USAGE_TYPE),
        option!(v2x, V2X),
        option!(external_identifier, EXTERNAL_IDENTIFIER),
    ];
    let edrx_rats = old.edrx.iter().map(|edrx| edrx.rat);
    let edrx_rats = edrx_rats.filter(|rat| !new.edrx.iter().any(|edrx| edrx.rat == *rat));
    let gone = old.external_identifier.clone().filter(|_| new.external_identifier.is_none());
    let withdrawal = Withdrawal {
        flags: flags.into_iter().fold(DsrFlags::default(), DsrFlags::with),
        edrx_rats: edrx_rats.map(|rat| rat.code()).collect(),
        external_identifiers: gone.into_iter().collect(),
    };
    Some(withdrawal).filter(|withdrawal| *withdrawal != Withdrawal::default())
}

impl Withdrawal {
    /// Without what the subscriber has: by an override that stays, or since it was given it again before the DSR could
    /// be sent. `None` if nothing is left.
    #[must_use]
    pub fn without(mut self, msisdn: Option<&str>, profile: &Profile) -> Option<Self> {
        let has = |has: bool, flag: DsrFlags| if has { flag } else { DsrFlags::default() };
        let there = [
            has(!profile.zone_codes.is_empty(), DsrFlags::REGIONAL_SUBSCRIPTION),
            has(profile.charging_characteristics.is_some(), DsrFlags::CHARGING_CHARACTERISTICS),
            has(profile.stn_sr.is_some(), DsrFlags::STN_SR),
            has(profile.apn_oi_replacement.is_some(), DsrFlags::APN_OI_REPLACEMENT),
            has(profile.sms.is_some(), DsrFlags::SMS),
            has(profile.periodic_tau.is_some(), DsrFlags::SUBSCRIBED_PERIODIC_RAU_TAU_TIMER),
            has(profile.vsrvcc, DsrFlags::SUBSCRIBED_VSRVCC),
            has(profile.additional_msisdn.is_some(), DsrFlags::A_MSISDN),
            has(profile.prose_permission.is_some(), DsrFlags::PROSE),
            has(profile.dl_buffering_packets.is_some(), DsrFlags::DL_BUFFERING_SUGGESTED_PACKET_COUNT),
            has(profile.user_plane_integrity, DsrFlags::USER_PLANE_INTEGRITY_PROTECTION),
            has(profile.ue_usage_type.is_some(), DsrFlags::UE_USAGE_TYPE),
            has(profile.v2x.is_some(), DsrFlags::V2X),
            has(profile.external_identifier.is_some(), DsrFlags::EXTERNAL_IDENTIFIER),
            has(msisdn.is_some(), DsrFlags::MSISDN),
        ];
        let there = there.into_iter().fold(DsrFlags::default(), DsrFlags::with);
        self.flags.0 &= !there.0;
        self.edrx_rats.retain(|rat| !profile.edrx.iter().any(|edrx| edrx.rat.code() == *rat));
        self.external_identifiers.retain(|one| profile.external_identifier.as_ref() != Some(one));
        Some(self).filter(|left| *left != Self::default())
    }
}

/// The DSR with these flags; what else is withdrawn, Session-Id, origin, destination and User-Name are the caller's to
/// fill in.
#[must_use]
pub fn request(dsr_flags: DsrFlags) -> DeleteSubscriberDataRequest<'static> {
    DeleteSubscriberDataRequest {
        vendor_specific_application_id: Some(APPLICATION_ID),
        dsr_flags,
        ..DeleteSubscriberDataRequest::default()
    }
}

#[cfg(test)]
mod tests {
    use schemas::{rest::Rat, subscription::Edrx};

    use super::*;
    use crate::procedure::fixture::subscriber_with;

    fn profile(change: impl FnOnce(&mut Profile)) -> Profile {
        (*subscriber_with(|_, profile| change(profile)).profile).clone()
    }

    #[test]
    fn a_timer_that_the_profile_lost_is_withdrawn() {
        let with = |timer| profile(|profile| profile.periodic_tau = timer);
        let withdrawal = withdrawn(&with(Some(60)), &with(None)).unwrap();
        // Bit 14 of DSR-Flags (TS 29.272 §7.3.25).
        assert_eq!(request(withdrawal.flags).dsr_flags.0, 1 << 14);
        for (old, new) in [(None, None), (None, Some(60)), (Some(60), Some(120))] {
            assert_eq!(withdrawn(&with(old), &with(new)), None);
        }
    }

    #[test]
    fn all_that_the_profile_lost_is_withdrawn_at_once() {
        let old = profile(|p| {
            p.zone_codes = vec!["0001".into()];
            p.charging_characteristics = Some("0800".into());
            p.stn_sr = Some("883130000000999".into());
            p.vsrvcc = true;
            p.external_identifier = Some("meter-17@callhome.example".into());
            let edrx = |rat| Edrx { rat, cycle_length: 5, paging_time_window: None };
            p.edrx = vec![edrx(Rat::Eutran), edrx(Rat::EutranNbIot)];
        });
        let new = profile(|p| p.edrx = vec![Edrx { cycle_length: 6, ..old.edrx[0] }]);
        let withdrawal = withdrawn(&old, &new).unwrap();
        assert_eq!(withdrawal.flags.0, 1 | 1 << 2 | 1 << 4 | 1 << 15 | 1 << 26);
        assert_eq!(withdrawal.edrx_rats, [1005]);
        assert_eq!(withdrawal.external_identifiers, ["meter-17@callhome.example"]);
        assert_eq!(withdrawn(&new, &old), None);
    }

    /// As by an override.
    #[test]
    fn what_the_subscriber_has_by_itself_is_not_withdrawn_with_the_profiles() {
        let both = Withdrawal { flags: DsrFlags::STN_SR.with(DsrFlags::PROSE), ..Withdrawal::default() };
        let with = profile(|p| p.stn_sr = Some("883130000000999".into()));
        assert_eq!(both.clone().without(None, &with).unwrap().flags, DsrFlags::PROSE);
        let number = Withdrawal { flags: DsrFlags::MSISDN, ..Withdrawal::default() };
        assert_eq!(number.clone().without(Some("1"), &with), None);
        assert_eq!(number.clone().without(None, &with), Some(number));
    }
}
