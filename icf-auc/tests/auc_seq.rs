//! No SEQ twice, in whatever order leases are reserved, granted, voided and lost (TS 33.102 §C.1.1.1).

use std::collections::HashSet;

use icf_auc::auc::{
    lease::{GrantError, Lease, LeasePolicy, LeaseSize, SeqAllocator, SeqExhausted},
    resync::DELTA,
    sqn::Layout,
};
use proptest::{collection::vec, prelude::*};

/// What can happen to one IMSI at several ICF instances that share a store.
#[derive(Debug, Clone)]
enum Event {
    /// The store reserves; the lease is on its way to the instance.
    Reserve { instance: usize, size: u32 },
    /// One of the leases on their way arrives, perhaps out of order.
    Arrive { instance: usize, which: usize },
    /// Vectors are asked for.
    Take { instance: usize, n: u32 },
    /// The instance gives up its leases.
    Void { instance: usize },
    /// The instance is killed: its leases, also those on their way, are gone.
    Crash { instance: usize },
    /// A resynchronisation moves the store; all instances void.
    Raise { by: u64 },
}

const INSTANCES: usize = 3;

fn event() -> impl Strategy<Value = Event> {
    let instance = 0..INSTANCES;
    prop_oneof![
        3 => (instance.clone(), 0..9u32).prop_map(|(instance, size)| Event::Reserve { instance, size }),
        4 => (instance.clone(), 0..4usize).prop_map(|(instance, which)| Event::Arrive { instance, which }),
        6 => (instance.clone(), 0..7u32).prop_map(|(instance, n)| Event::Take { instance, n }),
        1 => instance.clone().prop_map(|instance| Event::Void { instance }),
        1 => instance.prop_map(|instance| Event::Crash { instance }),
        1 => (0..50u64).prop_map(|by| Event::Raise { by }),
    ]
}

struct Instance {
    numbers: SeqAllocator,
    on_their_way: Vec<Lease>,
    /// SEQs it may hand out: granted, not voided.
    granted: HashSet<u64>,
    /// The highest that it handed out; while the instance lives, the USIM's SEQ_MS too if that is higher.
    last: u64,
}

impl Instance {
    fn new(layout: Layout) -> Self {
        Self {
            numbers: SeqAllocator::new(layout),
            on_their_way: Vec::new(),
            granted: HashSet::new(),
            last: 0,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn no_seq_comes_twice_whatever_happens(events in vec(event(), 0..120)) {
        let layout = Layout::default();
        let mut reserved = 0;
        let mut instances: Vec<_> = (0..INSTANCES).map(|_| Instance::new(layout)).collect();
        let mut handed_out = HashSet::new();
        for event in events {
            match event {
                Event::Reserve { instance, size } => {
                    let lease = layout.lease_after(reserved, size).unwrap();
                    prop_assert_eq!(lease.first(), reserved + 1);
                    reserved = lease.last();
                    instances[instance].on_their_way.push(lease);
                }
                Event::Arrive { instance, which } => {
                    let it = &mut instances[instance];
                    if which < it.on_their_way.len() {
                        let lease = it.on_their_way.remove(which);
                        let range = lease.first()..=lease.last();
                        let before = it.numbers.left();
                        match it.numbers.grant(lease) {
                            Ok(()) => it.granted.extend(range),
                            Err(_) => prop_assert_eq!(it.numbers.left(), before),
                        }
                    }
                }
                Event::Take { instance, n } => {
                    let it = &mut instances[instance];
                    let (left, next) = (it.numbers.left(), it.numbers.peek());
                    match it.numbers.take(n) {
                        None => {
                            prop_assert!(left < u64::from(n), "refused though {left} were left");
                            prop_assert_eq!(it.numbers.left(), left);
                        }
                        Some(taken) => {
                            let taken: Vec<_> = taken.collect();
                            prop_assert_eq!(taken.len(), n as usize);
                            if n > 0 {
                                prop_assert_eq!(taken.first().copied(), next);
                            }
                            for seq in taken {
                                prop_assert!(seq > it.last, "{seq} after {}", it.last);
                                it.last = seq;
                                prop_assert!(it.granted.remove(&seq), "{seq} was not granted");
                                prop_assert!(handed_out.insert(seq), "{seq} came twice");
                            }
                        }
                    }
                }
                Event::Void { instance } => {
                    let it = &mut instances[instance];
                    it.numbers.void();
                    it.granted.clear();
                    prop_assert_eq!((it.numbers.left(), it.numbers.peek()), (0, None));
                }
                Event::Crash { instance } => instances[instance] = Instance::new(layout),
                Event::Raise { by } => {
                    reserved += by;
                    for it in &mut instances {
                        it.numbers.void_through(reserved);
                        it.granted.clear();
                        it.last = it.last.max(reserved);
                    }
                }
            }
        }
    }

    #[test]
    fn every_granted_number_can_be_taken(sizes in vec(1..40u32, 1..6), n in 1..9u32) {
        let layout = Layout::default();
        let mut numbers = SeqAllocator::new(layout);
        let (mut reserved, mut taken) = (0, Vec::new());
        for size in sizes {
            let lease = layout.lease_after(reserved, size).unwrap();
            reserved = lease.last();
            numbers.grant(lease).unwrap();
            while let Some(seqs) = numbers.take(n) {
                taken.extend(seqs);
            }
        }
        let left = u32::try_from(numbers.left()).unwrap();
        taken.extend(numbers.take(left).unwrap());
        prop_assert_eq!(taken, (1..=reserved).collect::<Vec<_>>());
    }

    #[test]
    fn lease_sizes_stay_within_the_policy(first in 1..100u32, max in 100..65536u32, wanted in vec(0..70u32, 1..40)) {
        let policy = LeasePolicy::new(first, max).unwrap();
        let mut size = LeaseSize::default();
        let mut last = 0;
        for wanted in wanted {
            let next = size.next(policy, wanted);
            prop_assert!(next >= last.max(wanted) && next <= max, "{next}");
            last = next;
        }
    }
}

/// OAI and omec give all vectors of a batch one SQN, Open5GS lets concurrent requests share one.
#[test]
fn n_vectors_have_n_distinct_seqs_in_order() {
    let layout = Layout::default();
    let mut numbers = SeqAllocator::new(layout);
    numbers.grant(layout.lease_after(0, 3).unwrap()).unwrap();
    numbers.grant(layout.lease_after(10, 3).unwrap()).unwrap();
    let taken = numbers.take(5).unwrap();
    assert_eq!(taken.size_hint(), (5, Some(5)));
    assert_eq!(taken.collect::<Vec<_>>(), [1, 2, 3, 11, 12]);
    assert_eq!(numbers.take(2), None);
    assert_eq!(numbers.take(1).unwrap().collect::<Vec<_>>(), [13]);
}

#[test]
fn a_lease_below_one_granted_before_is_refused() {
    let layout = Layout::default();
    let mut numbers = SeqAllocator::new(layout);
    numbers.grant(layout.lease_after(10, 5).unwrap()).unwrap();
    assert_eq!(numbers.grant(layout.lease_after(0, 5).unwrap()), Err(GrantError::NotAbove { floor: 16 }));
    numbers.void();
    assert_eq!(numbers.grant(layout.lease_after(10, 5).unwrap()), Err(GrantError::NotAbove { floor: 16 }));
}

#[test]
fn a_third_lease_apart_is_refused() {
    let layout = Layout::default();
    let mut numbers = SeqAllocator::new(layout);
    numbers.grant(layout.lease_after(0, 5).unwrap()).unwrap();
    numbers.grant(layout.lease_after(10, 5).unwrap()).unwrap();
    assert_eq!(numbers.grant(layout.lease_after(20, 5).unwrap()), Err(GrantError::Full));
    assert_eq!(numbers.left(), 10);
    // One that continues the last needs no room.
    numbers.grant(layout.lease_after(15, 5).unwrap()).unwrap();
    assert_eq!(numbers.left(), 15);
}

#[test]
fn a_lease_of_a_wider_layout_is_refused() {
    let (narrow, wide) = (Layout::new(5).unwrap(), Layout::new(0).unwrap());
    let mut numbers = SeqAllocator::new(narrow);
    let lease = wide.lease_after(narrow.max_seq(), 1).unwrap();
    assert_eq!(numbers.grant(lease), Err(GrantError::TooWide));
}

/// The store gives a half-open range. A new USIM's SEQ_MS is 0, and it accepts only what is greater.
#[test]
fn a_lease_is_never_empty_and_seq_0_is_never_granted() {
    for nothing in [0..0, 7..7, u64::MAX..u64::MAX] {
        assert_eq!(Lease::new(nothing), None);
    }
    assert_eq!(Lease::new(1..5), Layout::default().lease_after(0, 4).ok());
    let mut numbers = SeqAllocator::new(Layout::default());
    let with_0 = Lease::new(0..5).unwrap();
    assert_eq!(numbers.grant(with_0), Err(GrantError::NotAbove { floor: 1 }));
}

#[test]
fn an_exhausted_seq_space_is_an_error_and_never_wraps() {
    let layout = Layout::default();
    let max = layout.max_seq();
    let last = layout.lease_after(max - 2, 1000).unwrap();
    assert_eq!((last.first(), last.last()), (max - 1, max));
    let mut numbers = SeqAllocator::new(layout);
    numbers.grant(last).unwrap();
    assert_eq!(numbers.take(2).unwrap().collect::<Vec<_>>(), [max - 1, max]);
    assert_eq!((numbers.take(1), numbers.peek()), (None, None));
    for reserved in [max, max + 1, u64::MAX] {
        assert_eq!(layout.lease_after(reserved, 1), Err(SeqExhausted));
    }
}

#[test]
fn an_idle_imsi_burns_few_numbers_and_a_busy_one_needs_few_writes() {
    let policy = LeasePolicy::default();
    assert_eq!(LeaseSize::default().next(policy, 1), 4);
    let (mut size, mut writes, mut seqs) = (LeaseSize::default(), 0u32, 0u32);
    while seqs < 100_000 {
        seqs += size.next(policy, 1);
        writes += 1;
    }
    assert!(writes <= 106, "{writes} writes for {seqs} vectors");
    assert!(LeasePolicy::new(0, 4).is_err());
    assert!(LeasePolicy::new(5, 4).is_err());
    assert!(LeasePolicy::new(1, LeasePolicy::MAX + 1).is_err());
}

/// A USIM takes a jump of Δ at most: 4,096 crashes in a row, each on a fresh lease of the largest size that can
/// be configured, stay within it.
#[test]
fn what_crashes_skip_stays_far_below_delta() {
    let layout = Layout::default();
    let mut reserved = 0;
    for _crash in 0..4095 {
        reserved = layout.lease_after(reserved, LeasePolicy::MAX).unwrap().last();
    }
    assert!(reserved < DELTA);
    assert!(u64::from(LeasePolicy::default().max()) * 250_000 < DELTA);
}
