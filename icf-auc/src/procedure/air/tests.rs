use s6a::codec::Experimental;

use super::*;
use crate::{
    model::{AccessRule, CredentialState},
    procedure::fixture::{HOME, NOW, home, subscriber, subscriber_with},
};

fn asks(eutran: Option<u32>, utran: Option<u32>) -> AuthenticationInformationRequest<'static> {
    let vectors = |n| RequestedVectors { number_of_requested_vectors: Some(n), ..Default::default() };
    AuthenticationInformationRequest {
        user_name: "999710000000001",
        requested_eutran_authentication_info: eutran.map(vectors),
        requested_utran_geran_authentication_info: utran.map(vectors),
        visited_plmn_id: HOME,
        ..Default::default()
    }
}

fn air(subscriber: &Snapshot) -> Result<Plan, Refused> {
    decide(&asks(Some(1), None), Some(subscriber), 5, NOW, &Causes::default())
}

#[track_caller]
fn refused(subscriber: &Snapshot, cause: Cause, outcome: Experimental) {
    let refused = air(subscriber).unwrap_err();
    assert_eq!((refused.cause, refused.outcome), (Some(cause), outcome.into()));
}

#[test]
fn air_for_an_active_pcid_gets_vectors_for_the_visited_plmn() {
    let plan = air(&subscriber()).unwrap();
    assert_eq!((plan.eutran, plan.utran, plan.resync), (1, 0, None));
    assert_eq!((plan.visited_plmn, plan.imsi.to_string().as_str()), (home(), "999710000000001"));
}

#[test]
fn air_for_unknown_pcid_gets_a_retryable_4181_by_default() {
    let refused = decide(&asks(Some(1), None), None, 5, NOW, &Causes::default()).unwrap_err();
    assert_eq!(refused.outcome, Experimental::AUTHENTICATION_DATA_UNAVAILABLE.into());
}

#[test]
fn air_for_unknown_pcid_gets_5001_where_the_operator_wants_it() {
    let causes = Causes::configured(&[("unknown".into(), "user-unknown".into())].into()).unwrap();
    let refused = decide(&asks(Some(1), None), None, 5, NOW, &causes).unwrap_err();
    assert_eq!(refused.outcome, Experimental::USER_UNKNOWN.into());
}

#[test]
fn air_for_an_expired_pcid_is_refused_from_the_second_on() {
    let expires = |at| subscriber_with(|credential, _| credential.expires_at = Some(at));
    assert!(air(&expires(NOW.plus(1))).is_ok());
    refused(&expires(NOW), Cause::Expired, Experimental::AUTHENTICATION_DATA_UNAVAILABLE);
}

#[test]
fn air_for_an_exhausted_pcid_is_refused() {
    let own = |budget, used| {
        subscriber_with(|credential, _| (credential.attach_budget, credential.attaches) = (budget, used))
    };
    assert!(air(&own(Some(8), 7)).is_ok());
    refused(&own(Some(8), 8), Cause::Exhausted, Experimental::AUTHENTICATION_DATA_UNAVAILABLE);
    refused(&own(Some(0), 0), Cause::Exhausted, Experimental::AUTHENTICATION_DATA_UNAVAILABLE);
    // Without a budget of its own the profile's counts, 10,000.
    assert!(air(&own(None, 9_999)).is_ok());
    refused(&own(None, 10_000), Cause::Exhausted, Experimental::AUTHENTICATION_DATA_UNAVAILABLE);
    let unlimited = subscriber_with(|credential, profile| {
        (credential.attaches, profile.attach_budget) = (u32::MAX, None);
    });
    assert!(air(&unlimited).is_ok());
}

#[test]
fn air_for_a_blocked_or_disabled_pcid_is_refused() {
    let state = |state| subscriber_with(|credential, _| credential.state = state);
    let unavailable = Experimental::AUTHENTICATION_DATA_UNAVAILABLE;
    refused(&state(CredentialState::Blocked), Cause::Blocked, unavailable);
    refused(&state(CredentialState::Disabled), Cause::Disabled, Experimental::UNKNOWN_EPS_SUBSCRIPTION);
}

#[test]
fn air_without_an_eps_subscription_gets_5420() {
    let none = subscriber_with(|_, profile| profile.eps = false);
    refused(&none, Cause::NoEpsSubscription, Experimental::UNKNOWN_EPS_SUBSCRIPTION);
    let no_apn = subscriber_with(|_, profile| profile.apns.clear());
    refused(&no_apn, Cause::NoEpsSubscription, Experimental::UNKNOWN_EPS_SUBSCRIPTION);
}

/// PyHSS counts every network of the same MCC as home.
#[test]
fn pyhss_same_mcc_counted_as_home() {
    let only = |plmn: &str| {
        subscriber_with(|_, profile| profile.allowed_plmns = AccessRule::Only(vec![plmn.parse().unwrap()]))
    };
    assert!(air(&only("999-71")).is_ok());
    refused(&only("999-70"), Cause::RoamingNotAllowed, Experimental::ROAMING_NOT_ALLOWED);
}

#[test]
fn air_for_a_rat_that_is_not_allowed_gets_5421() {
    let utran = subscriber_with(|_, profile| profile.allowed_rats = AccessRule::Only(vec![Rat::Utran]));
    refused(&utran, Cause::RatNotAllowed, Experimental::RAT_NOT_ALLOWED);
    let sgsn = decide(&asks(None, Some(1)), Some(&subscriber()), 5, NOW, &Causes::default());
    assert_eq!(sgsn.unwrap_err().cause, Some(Cause::RatNotAllowed));
    let nb_iot =
        subscriber_with(|_, profile| profile.allowed_rats = AccessRule::Only(vec![Rat::EutranNbIot]));
    assert!(air(&nb_iot).is_ok());
}

#[test]
fn the_number_of_vectors_is_the_least_of_what_is_asked_for_and_what_the_peer_takes() {
    for (asked, peer_max, given) in
        [(1, 5, 1), (3, 5, 3), (5, 5, 5), (6, 5, 5), (u32::MAX, 255, 5), (5, 1, 1), (0, 5, 1), (5, 0, 1)]
    {
        let plan = decide(&asks(Some(asked), None), Some(&subscriber()), peer_max, NOW, &Causes::default());
        assert_eq!(plan.unwrap().eutran, given, "{asked} asked, {peer_max} taken");
    }
}

#[test]
fn an_sgsn_gets_utran_vectors() {
    let any = subscriber_with(|_, profile| profile.allowed_rats = AccessRule::Any);
    let plan = decide(&asks(None, Some(3)), Some(&any), 5, NOW, &Causes::default()).unwrap();
    assert_eq!((plan.eutran, plan.utran, plan.seqs()), (0, 3, 3));
    let both = decide(&asks(Some(2), Some(2)), Some(&any), 5, NOW, &Causes::default()).unwrap();
    assert_eq!((both.eutran, both.utran, both.seqs()), (2, 2, 4));
}

#[test]
fn an_air_that_asks_for_no_vectors_gets_5005() {
    let refused = decide(&asks(None, None), Some(&subscriber()), 5, NOW, &Causes::default()).unwrap_err();
    assert_eq!(refused.outcome, ResultCode::MISSING_AVP.into());
    // Requested-EUTRAN-Authentication-Info is AVP 1408.
    assert_eq!(refused.failed[..4], 1408u32.to_be_bytes());
}

fn resynchronises(eutran: Option<u8>, utran: Option<u8>) -> AuthenticationInformationRequest<'static> {
    let mut request = asks(eutran.map(|_| 1), utran.map(|_| 1));
    let info = |octet| app::vectors::ResynchronizationInfo::new([octet; 16], [octet + 1; 14]);
    for (group, octet) in [
        (&mut request.requested_eutran_authentication_info, eutran),
        (&mut request.requested_utran_geran_authentication_info, utran),
    ] {
        if let Some(group) = group {
            group.re_synchronization_info = octet.map(info);
        }
    }
    request
}

#[test]
fn re_synchronization_info_is_rand_and_auts() {
    let plan = decide(&resynchronises(Some(7), None), Some(&subscriber()), 5, NOW, &Causes::default());
    let expected = ResynchronizationInfo { rand: [7; 16], auts: Auts([8; 14]) };
    assert_eq!(plan.unwrap().resync, Some(expected));
}

#[test]
fn two_different_re_synchronization_infos_get_5007() {
    let any = subscriber_with(|_, profile| profile.allowed_rats = AccessRule::Any);
    let air = |request| decide(&request, Some(&any), 5, NOW, &Causes::default());
    assert!(air(resynchronises(Some(7), Some(7))).unwrap().resync.is_some());
    let refused = air(resynchronises(Some(7), Some(9))).unwrap_err();
    assert_eq!(refused.outcome, ResultCode::CONTRADICTING_AVPS.into());
}

#[test]
fn vectors_for_another_icf_are_judged_as_an_air_is() {
    assert_eq!(may_have_vectors(&subscriber(), home(), NOW), Ok(()));
    let blocked = subscriber_with(|credential, _| credential.state = CredentialState::Blocked);
    let cause = may_have_vectors(&blocked, home(), NOW).unwrap_err();
    assert_eq!((cause, cause.to_string().as_str()), (Cause::Blocked, "the credential is blocked"));
}

#[test]
fn a_pool_gives_neither_utran_vectors_nor_a_resynchronisation() {
    let pool = subscriber_with(|credential, profile| {
        credential.auth = AuthMaterial::Pool;
        profile.allowed_rats = AccessRule::Any;
    });
    assert!(air(&pool).is_ok());
    for request in [asks(None, Some(1)), asks(Some(1), Some(1)), resynchronises(Some(7), None)] {
        let refused = decide(&request, Some(&pool), 5, NOW, &Causes::default()).unwrap_err();
        assert_eq!(refused.cause, Some(Cause::NoVectors));
    }
}

#[test]
fn several_vectors_are_numbered_and_one_is_not() {
    let vector = |octet| EutranVector { rand: [octet; 16], xres: [1; 8], autn: [2; 16], kasme: [3; 32] };
    let (one, three) = (vec![vector(1)], (1..=3).map(vector).collect::<Vec<_>>());
    let numbers = |vectors: &[EutranVector]| -> Vec<_> {
        let vectors = Vectors::computed(vectors, &[]);
        let info = vectors.answer().authentication_info.unwrap();
        assert!(info.utran_vector.is_empty());
        info.eutran_vector.iter().map(|vector| (vector.item_number, vector.rand[0])).collect()
    };
    assert_eq!(numbers(&one), [(None, 1)]);
    assert_eq!(numbers(&three), [(Some(1), 1), (Some(2), 2), (Some(3), 3)]);
}

#[test]
fn pooled_vectors_are_answered_as_they_came() {
    let pool = [PooledVector { rand: [1; 16], xres: vec![9; 16], autn: [2; 16], kasme: [3; 32] }];
    let vectors = Vectors::pooled(&pool);
    let answer = vectors.answer();
    assert!(answer.outcome.is_success());
    let vector = answer.authentication_info.unwrap().eutran_vector.first().unwrap();
    assert_eq!((vector.rand, vector.xres, vector.kasme), ([1; 16], &[9; 16][..], [3; 32]));
}
