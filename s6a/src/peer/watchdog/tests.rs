//! Every row of the table of RFC 3539 §3.4.1, and whole lives of a connection, in virtual time.

use WatchdogAction as A;
use WatchdogState::*;

use super::*;

const TW: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy)]
enum Event {
    Dwa,
    NonDwa,
    Expires,
    Up,
    Down,
}

fn watchdog(state: WatchdogState, pending: bool, dwas: i8, now: Instant) -> Watchdog {
    Watchdog { pending, dwas, ..Watchdog::new(TW, state, Jitter::new(3), now) }
}

#[test]
#[rustfmt::skip]
fn every_row_of_rfc_3539_leads_where_it_says() {
    use Event::{Down as Goes, Dwa, Expires, NonDwa, Up};
    // State, Pending, NumDWA; event; action, state, Pending, NumDWA, whether SetWatchdog() is called.
    let rows = [
        (Okay, true, 0, Dwa, None, Okay, false, 0, true),
        (Okay, true, 0, NonDwa, None, Okay, true, 0, true),
        (Suspect, true, 0, Dwa, Some(A::Failback), Okay, false, 0, true),
        (Suspect, true, 0, NonDwa, Some(A::Failback), Okay, true, 0, true),
        (Reopen, true, 2, Dwa, Some(A::Failback), Okay, false, 3, false),
        (Reopen, true, 1, Dwa, None, Reopen, false, 2, false),
        (Reopen, true, 0, Dwa, None, Reopen, false, 1, false),
        (Reopen, true, -1, Dwa, None, Reopen, false, 0, false),
        (Reopen, true, 1, NonDwa, None, Reopen, true, 1, false),
        (Initial, true, 0, Dwa, None, Initial, false, 0, false),
        (Initial, false, 0, NonDwa, None, Initial, false, 0, false),
        (Down, true, 0, Dwa, None, Down, false, 0, false),
        (Down, false, 0, NonDwa, None, Down, false, 0, false),
        (Okay, false, 0, Expires, Some(A::SendWatchdog), Okay, true, 0, true),
        (Okay, true, 0, Expires, Some(A::Failover), Suspect, true, 0, true),
        (Suspect, true, 0, Expires, Some(A::CloseConnection), Down, true, 0, true),
        (Initial, false, 0, Expires, Some(A::AttemptOpen), Initial, false, 0, true),
        (Down, true, 0, Expires, Some(A::AttemptOpen), Down, true, 0, true),
        (Reopen, false, 1, Expires, Some(A::SendWatchdog), Reopen, true, 1, true),
        (Reopen, true, 0, Expires, None, Reopen, true, -1, true),
        (Reopen, true, 2, Expires, None, Reopen, true, -1, true),
        (Reopen, true, -1, Expires, Some(A::CloseConnection), Down, true, -1, true),
        (Initial, false, 0, Up, None, Okay, false, 0, true),
        (Down, false, 3, Up, Some(A::SendWatchdog), Reopen, true, 0, true),
        (Okay, false, 0, Goes, Some(A::Failover), Down, false, 0, true),
        (Suspect, true, 0, Goes, None, Down, true, 0, true),
        (Reopen, true, 1, Goes, None, Down, true, 1, true),
    ];
    for row in rows {
        let (state, pending, dwas, event, action, next, pending_after, dwas_after, set) = row;
        let start = Instant::now();
        let mut watchdog = watchdog(state, pending, dwas, start);
        let before = watchdog.deadline();
        let now = before + Duration::from_secs(1);
        let done = match event {
            Event::Dwa => watchdog.dwa(now),
            Event::NonDwa => watchdog.heard(now),
            Event::Expires => watchdog.expired(now),
            Event::Up => watchdog.up(now),
            Event::Down => watchdog.down(now),
        };
        assert_eq!(
            (done, watchdog.state(), watchdog.pending, watchdog.dwas),
            (action, next, pending_after, dwas_after),
            "{row:?}"
        );
        assert_eq!(watchdog.deadline() != before, set, "SetWatchdog: {row:?}");
    }
}

#[test]
fn the_timer_is_tw_with_two_seconds_of_jitter_at_most_and_does_not_expire_early() {
    let now = Instant::now();
    let mut watchdog = watchdog(Okay, false, 0, now);
    let mut drawn = Vec::new();
    for _ in 0..200 {
        watchdog.heard(now);
        drawn.push(watchdog.deadline() - now);
        assert_eq!(watchdog.expired(watchdog.deadline() - Duration::from_nanos(1)), None);
    }
    let (least, most) = (drawn.iter().min().unwrap(), drawn.iter().max().unwrap());
    assert!(*least >= TW - JITTER && *most <= TW + JITTER && *most - *least > JITTER, "{least:?} {most:?}");
}

/// Lets the timer expire; gives the time and what there is to do.
fn expire(watchdog: &mut Watchdog) -> (Instant, Option<WatchdogAction>) {
    let now = watchdog.deadline();
    (now, watchdog.expired(now))
}

#[test]
fn a_silent_peer_is_asked_then_suspect_then_closed_and_proves_itself_when_it_is_back() {
    let start = Instant::now();
    let mut watchdog = watchdog(Initial, false, 0, start);
    assert_eq!(watchdog.up(start), None);
    assert_eq!(expire(&mut watchdog).1, Some(A::SendWatchdog));
    assert_eq!(expire(&mut watchdog).1, Some(A::Failover));
    assert_eq!(watchdog.state(), Suspect);
    let (now, action) = expire(&mut watchdog);
    assert_eq!((action, watchdog.state()), (Some(A::CloseConnection), Down));
    assert!(now - start <= 3 * (TW + JITTER), "a dead peer is noticed within three intervals");

    assert_eq!((watchdog.up(now), watchdog.state()), (Some(A::SendWatchdog), Reopen));
    assert_eq!(watchdog.dwa(now), None);
    assert_eq!(expire(&mut watchdog).1, Some(A::SendWatchdog));
    assert_eq!(watchdog.dwa(now), None);
    let (now, action) = expire(&mut watchdog);
    assert_eq!(action, Some(A::SendWatchdog));
    assert_eq!((watchdog.dwa(now), watchdog.state()), (Some(A::Failback), Okay));
}

#[test]
fn a_busy_peer_is_never_asked() {
    let start = Instant::now();
    let mut watchdog = watchdog(Okay, false, 0, start);
    for second in 1..200 {
        let now = start + Duration::from_secs(second * 5);
        assert_eq!((watchdog.expired(now), watchdog.heard(now)), (None, None));
    }
}

#[test]
fn a_probe_finds_a_dead_connection_soon_and_leaves_a_living_one() {
    let start = Instant::now();
    let soon = Duration::from_secs(1);
    let mut dead = watchdog(Okay, false, 0, start);
    assert_eq!(dead.probe(start, soon), Some(A::SendWatchdog));
    assert_eq!(dead.probe(start, soon), None, "one DWR at a time");
    let (now, action) = expire(&mut dead);
    assert_eq!((now - start, action, dead.state()), (soon, Some(A::Failover), Suspect));

    let mut living = watchdog(Okay, false, 0, start);
    living.probe(start, soon);
    living.dwa(start);
    assert_eq!(living.state(), Okay);
    assert!(living.deadline() >= start + TW - JITTER);
}

#[test]
fn a_probe_in_reopen_finds_a_dead_connection_soon_and_leaves_a_living_one() {
    let start = Instant::now();
    let soon = Duration::from_secs(1);
    let mut dead = watchdog(Down, false, 0, start);
    assert_eq!((dead.up(start), dead.state()), (Some(A::SendWatchdog), Reopen));
    assert_eq!(dead.probe(start, soon), None, "a DWR is under way");
    assert_eq!(dead.probe(start + soon / 2, soon), None, "a second probe puts nothing off");
    let (now, action) = expire(&mut dead);
    assert_eq!((now - start, action, dead.state()), (soon, Some(A::CloseConnection), Down));

    // It has answered its DWRs so far, and is asked once more.
    let mut proving = watchdog(Reopen, false, 1, start);
    assert_eq!(proving.probe(start, soon), Some(A::SendWatchdog));
    proving.dwa(start);
    assert_eq!((expire(&mut proving).1, proving.state()), (Some(A::SendWatchdog), Reopen));

    // Busy: its DWA comes late, but requests come.
    let mut busy = watchdog(Reopen, true, 0, start);
    busy.probe(start, soon);
    assert_eq!(busy.heard(start), None);
    assert_eq!((expire(&mut busy).1, busy.state()), (None, Reopen), "RFC 3539's row for REOPEN");
}

#[test]
fn a_probe_does_nothing_where_there_is_nothing_to_be_found_out() {
    let start = Instant::now();
    for state in [Initial, Suspect, Down] {
        let mut watchdog = watchdog(state, true, 0, start);
        let deadline = watchdog.deadline();
        assert_eq!(watchdog.probe(start, Duration::from_secs(1)), None);
        assert_eq!((watchdog.state(), watchdog.deadline()), (state, deadline));
    }
}
