use axum::http::Extensions;

use super::*;
use crate::serve::{activity::ConnectionOf, mark_authenticated};

fn limits(connections: usize, per_source: usize) -> HttpLimits {
    HttpLimits {
        connections,
        connections_per_source: per_source,
        known_networks: vec!["127.0.0.0/8".parse().unwrap()],
        ..HttpLimits::default()
    }
}

fn at(admission: &Arc<Admission>, address: &str) -> Admitted {
    admission.admit(address.parse().unwrap(), false).unwrap()
}

fn authenticate(admitted: &Admitted) {
    let mut request = Extensions::new();
    request.insert(ConnectionOf(Arc::clone(&admitted.activity)));
    mark_authenticated(&request);
    drop(admitted.activity.begin_request());
}

fn is_open(admitted: &Admitted) -> bool {
    !admitted.activity.evicted.is_cancelled()
}

#[test]
fn a_source_has_its_share_and_nothing_is_remembered_of_whoever_left() {
    let admission = Admission::new(limits(100, 2));
    let (first, second) = (at(&admission, "2001:db8::1"), at(&admission, "2001:db8::2"));
    let other = at(&admission, "2001:db8:0:1::1");
    let third = at(&admission, "2001:db8::3");
    assert!(
        !is_open(&first) && is_open(&second) && is_open(&third) && is_open(&other),
        "the oldest of its own source"
    );
    let known: Vec<_> = (0..50).map(|_| at(&admission, "127.0.0.1")).collect();
    assert!(known.iter().all(is_open), "a known network has no share");
    drop((first, second, third, other, known));
    for pool in &admission.pools {
        let pool = pool.lock().unwrap();
        assert!(pool.open.is_empty() && pool.by_source.is_empty() && pool.handshakes == 0);
    }
}

#[test]
fn idle_strangers_make_room_for_others_and_never_take_that_of_devices_or_known_networks() {
    let admission = Admission::new(limits(40, 0));
    let devices: Vec<_> = (0..20).map(|n| at(&admission, &format!("10.1.0.{n}"))).collect();
    devices.iter().for_each(authenticate);
    let role = at(&admission, "127.0.0.1");
    let flood: Vec<_> = (0..1000).map(|n| at(&admission, &format!("192.0.2.{}", n % 4))).collect();
    assert!(devices.iter().all(is_open) && is_open(&role));
    assert_eq!(flood.iter().filter(|one| is_open(one)).count(), 20);
    // A device that is new, beside them: it is the only one of its source.
    let new = at(&admission, "10.1.1.1");
    let more: Vec<_> = (0..1000).map(|n| at(&admission, &format!("192.0.2.{}", n % 4))).collect();
    assert!(is_open(&new));
    drop((flood, more));
}

#[test]
fn where_all_have_authenticated_a_quarter_is_left_to_who_is_new() {
    let admission = Admission::new(limits(8, 0));
    let devices: Vec<_> = (0..8).map(|n| at(&admission, &format!("10.1.0.{n}"))).collect();
    devices.iter().for_each(authenticate);
    let busy = devices[0].activity.begin_request();
    let new: Vec<_> = (0..4).map(|n| at(&admission, &format!("10.2.0.{n}"))).collect();
    assert_eq!(new.iter().filter(|one| is_open(one)).count(), 2);
    assert_eq!(devices.iter().filter(|one| is_open(one)).count(), 6);
    assert!(is_open(&devices[0]), "a request is under way");
    drop(busy);
}

#[test]
fn nobody_is_closed_whose_authenticated_request_is_under_way() {
    let admission = Admission::new(limits(1, 0));
    let device = at(&admission, "10.1.0.1");
    authenticate(&device);
    let _request = device.activity.begin_request();
    assert!(admission.admit("10.1.0.2".parse().unwrap(), false).is_none());
    assert!(is_open(&device));
}

#[test]
fn handshakes_are_counted_by_source_and_those_of_one_source_go_first() {
    let admission = Admission::new(HttpLimits { pending_handshakes: 4, ..limits(100, 0) });
    let begin = |address: &str| admission.admit(address.parse().unwrap(), true);
    let slow: Vec<_> = (0..4).map(|_| begin("192.0.2.1").unwrap()).collect();
    assert!(begin("192.0.2.1").is_none(), "its own are all young");
    let device = begin("10.1.0.1").unwrap();
    assert_eq!(slow.iter().filter(|one| is_open(one)).count(), 3);
    let other = begin("10.1.0.2").unwrap();
    assert!(is_open(&device) && is_open(&other));
    device.end_handshake();
    let third = begin("10.1.0.3").unwrap();
    assert_eq!(slow.iter().filter(|one| is_open(one)).count(), 2, "there was room again");
    drop((slow, device, other, third));
    assert_eq!(admission.pools[0].lock().unwrap().handshakes, 0);
}
