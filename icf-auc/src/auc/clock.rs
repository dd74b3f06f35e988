//! A floor by time under each lease of SEQs (TS 33.102 §C.1.1.2, §C.1.1.3, §C.2), so that a store that has forgotten what it
//! handed out, since it was restored from a backup, does not hand it out again.
//!
//! The global counter GLC counts ticks of two seconds from [`EPOCH`]; each IMSI has an offset of its own, DIF. A lease
//! starts above what is reserved *and* above GLC + DIF. What one IMSI is given faster than the clock goes runs ahead of it.
//! How far ahead any IMSI ever is, in ticks, is the *high-water mark*: it is written down outside of the store before a
//! number that depends on it is used, and after any start nothing at or below it is used, whatever the store says.
//!
//! Bounds, with Δ = 2^28 (§C.2.1): two seconds are coarse enough that ten years asleep are 1.58 × 10^8 < Δ. A USIM is new,
//! with SEQ_MS 0, when its credential is stored, and may sleep ten years from then: GLC + DIF is less than an
//! [`ERA`] at that time, which is five years, and 15 years are 2.37 × 10^8 < Δ. An IMSI may run ahead of its floor by
//! [`MAX_AHEAD`] = 2^24; a start without the mark raises all floors by as much.

use super::{lease::Lease, resync::DELTA, sqn::Layout};

/// 2026-11-01T00:00:00Z, in seconds since 1970.
pub const EPOCH: i64 = 1_793_491_200;
/// Seconds of a tick.
pub const TICK_SECONDS: i64 = 2;
/// Five years in ticks: a credential that is stored in the n-th era has DIF = −n eras at least.
pub const ERA: u64 = 5 * YEAR;
/// 365.25 days in ticks.
pub const YEAR: u64 = 31_557_600 / TICK_SECONDS as u64;
/// How far an IMSI may run ahead of its floor.
pub const MAX_AHEAD: u64 = 1 << 24;
/// What a resynchronisation may skip above SEQ_MS.
const MAX_MARGIN: u64 = 1 << 26;

/// GLC at a time in seconds since 1970; 0 before [`EPOCH`].
#[must_use]
pub const fn tick_at(unix_seconds: i64) -> u64 {
    let since = unix_seconds.saturating_sub(EPOCH);
    if since <= 0 { 0 } else { (since / TICK_SECONDS).cast_unsigned() }
}

/// The time of a tick, in seconds since 1970.
#[must_use]
pub const fn seconds_of(tick: u64) -> i64 {
    EPOCH.saturating_add(tick.cast_signed().saturating_mul(TICK_SECONDS))
}

/// DIF of a credential that is stored at `tick`, of which `seq_reserved` is used already.
#[must_use]
pub fn offset_for(seq_reserved: u64, tick: u64) -> i64 {
    let era = (tick / ERA * ERA).cast_signed();
    (seq_reserved.cast_signed().saturating_sub(tick.cast_signed())).max(-era)
}

/// What the store remembers of an IMSI's SEQs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// How the IMSI's SQNs are laid out.
    pub layout: Layout,
    /// The highest SEQ ever promised to anybody.
    pub seq_reserved: u64,
    /// DIF: SEQ − GLC of this IMSI where it keeps up with the clock.
    pub offset: i64,
}

/// No lease is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseRefused {
    /// SEQ has no number left (TS 33.102 §C.2.1).
    Exhausted,
    /// The IMSI is [`MAX_AHEAD`] numbers ahead of the clock.
    AheadOfClock,
}

impl Account {
    /// Reserves up to `count` SEQs above what is reserved, above the floor, and above `above` (SEQ_MS of a
    /// resynchronisation). `base` is the tick that the floor is counted from; nothing has changed if it is refused.
    ///
    /// # Errors
    /// [`LeaseRefused`].
    pub fn lease(&mut self, base: u64, count: u32, above: Option<u64>) -> Result<Lease, LeaseRefused> {
        let floor = base.saturating_add_signed(self.offset);
        // Time wears out no credential: near the end of SEQ, where no USIM can be led, there is no floor.
        let usable = floor.min(self.layout.max_seq().saturating_sub(DELTA));
        let below = self.seq_reserved.max(usable).max(above.unwrap_or(0));
        let lease = self.layout.lease_after(below, count).map_err(|_| LeaseRefused::Exhausted)?;
        // A USIM that is ahead of its floor takes it along: its offset is another from now on (§C.1.1.3).
        let offset = match above {
            Some(above) if above == below && above > floor => {
                self.offset.max(above.cast_signed().saturating_sub(base.cast_signed()))
            }
            _ => self.offset,
        };
        if lease.last() > base.saturating_add_signed(offset).saturating_add(MAX_AHEAD) {
            return Err(LeaseRefused::AheadOfClock);
        }
        (self.seq_reserved, self.offset) = (lease.last(), offset);
        Ok(lease)
    }

    /// The tick that the highest promised SEQ stands for: what the high-water mark has to reach.
    #[must_use]
    pub fn high(&self) -> u64 {
        u64::try_from(i128::from(self.seq_reserved) - i128::from(self.offset)).unwrap_or(0)
    }
}

/// What is known at a start, all in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// Of the clock.
    pub clock: u64,
    /// The high-water mark outside of the store; `None`: there is none, or it is another store's.
    pub mark: Option<u64>,
    /// The high-water mark as the store remembers it, which may be old; `None`: it never had one.
    pub remembered: Option<u64>,
    /// The base that the store remembers.
    pub base: u64,
    /// [`Started::margin`] that the store remembers.
    pub margin: u64,
}

/// What holds after a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// Floors are counted from this tick at least.
    pub base: u64,
    /// A resynchronisation goes on so far above SEQ_MS: a store that is older than the mark has forgotten earlier
    /// resynchronisations, and what was given out after them lies above SEQ_MS by no more than this.
    pub margin: u64,
    /// Whether the mark was missing though the store had one.
    pub without_mark: bool,
}

/// The clock is more than a year ahead of the last number that was handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockAhead {
    /// The tick that was known.
    pub known: u64,
}

impl Start {
    /// Where numbers go on. Nothing at or below the mark is used again; a clock that was set back changes nothing.
    ///
    /// # Errors
    /// [`ClockAhead`]: to follow the clock would move all USIMs for good; whoever knows that it is right says so.
    pub fn begin(self) -> Result<Started, ClockAhead> {
        let known = self.mark.max(self.remembered).map(|known| known.max(self.base));
        if let Some(known) = known.filter(|known| self.clock > known.saturating_add(YEAR)) {
            return Err(ClockAhead { known });
        }
        let without_mark = self.mark.is_none() && self.remembered.is_some();
        let lost = if without_mark { MAX_AHEAD } else { 0 };
        let base = self.clock.max(known.unwrap_or(0)).saturating_add(lost);
        let since = if self.remembered.is_some() { base.saturating_sub(self.base) } else { 0 };
        Ok(Started { base, margin: self.margin.saturating_add(since).min(MAX_MARGIN), without_mark })
    }
}

/// The high-water mark as this process has written it down: how far, and how far ahead it is written next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Headroom {
    mark: u64,
    next: u64,
}

impl Headroom {
    const FIRST: u64 = 256;
    const MAX: u64 = 1 << 16;

    /// With this mark written down.
    #[must_use]
    pub const fn new(mark: u64) -> Self {
        Self { mark, next: Self::FIRST }
    }

    /// The mark to write down before numbers up to `high` are used; `None`: what is written suffices. It is ahead
    /// of `high`, twice as far each time that `busy` says that the last one was written moments ago.
    #[must_use]
    pub fn needed(&self, high: u64) -> Option<u64> {
        (high > self.mark).then(|| high.saturating_add(self.next))
    }

    /// `mark` was written down.
    pub fn written(&mut self, mark: u64, busy: bool) {
        self.mark = self.mark.max(mark);
        self.next = if busy { (self.next * 2).min(Self::MAX) } else { Self::FIRST };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new() -> Account {
        Account { layout: Layout::default(), seq_reserved: 0, offset: 0 }
    }

    #[test]
    fn a_usim_that_sleeps_ten_years_after_its_credential_was_stored_takes_the_next_number_in_every_era() {
        for year in 0..100 {
            let stored = year * YEAR + YEAR / 3;
            let mut account = Account { offset: offset_for(0, stored), ..new() };
            let lease = account.lease(stored + 10 * YEAR, 4, None).unwrap();
            assert!(lease.first() <= DELTA, "year {year}: SEQ {} and SEQ_MS 0", lease.first());
        }
        const { assert!(ERA + 10 * YEAR + MAX_AHEAD < DELTA && MAX_MARGIN < DELTA / 2) };
    }

    #[test]
    fn an_imported_seq_above_the_clock_goes_its_own_way_and_one_below_is_lifted_to_it() {
        let now = 3 * YEAR;
        let far = 1 << 40;
        let mut ahead = Account { seq_reserved: far, offset: offset_for(far, now), ..new() };
        assert_eq!(ahead.lease(now, 4, None).unwrap().first(), far + 1);
        assert_eq!(ahead.lease(now + 1000, 4, None).unwrap().first(), far + 1001);
        let mut behind = Account { seq_reserved: 7, offset: offset_for(7, now), ..new() };
        assert_eq!(behind.lease(now, 4, None).unwrap().first(), now + 1);
    }

    #[test]
    fn time_does_not_wear_out_the_last_numbers_of_a_credential() {
        let last = new().layout.max_seq();
        let mut account = Account { seq_reserved: last - 9, offset: offset_for(last - 9, 5), ..new() };
        assert_eq!(account.lease(5 + 20 * YEAR, 4, None).unwrap().first(), last - 8);
        assert_eq!(account.lease(5 + 20 * YEAR, 9, None).unwrap().last(), last);
        assert_eq!(account.lease(5, 1, None), Err(LeaseRefused::Exhausted));
    }

    #[test]
    fn an_imsi_does_not_run_ahead_of_its_floor_without_end() {
        let mut account = Account { seq_reserved: 100 + MAX_AHEAD - 4, ..new() };
        account.lease(100, 4, None).unwrap();
        assert_eq!(account.lease(100, 1, None), Err(LeaseRefused::AheadOfClock));
        account.lease(101, 1, None).unwrap();
        // A USIM that is far ahead is followed, and is its own measure from then on.
        let far = 1 << 40;
        assert_eq!(account.lease(101, 4, Some(far)).unwrap().first(), far + 1);
        assert_eq!(account.high(), 101 + 4);
        assert_eq!(account.lease(101, 4, None).unwrap().first(), far + 5);
    }

    #[test]
    fn after_a_start_nothing_at_or_below_the_mark_is_used() {
        let known = Start { clock: 1000, mark: Some(5000), remembered: Some(900), base: 800, margin: 3 };
        assert_eq!(known.begin(), Ok(Started { base: 5000, margin: 4203, without_mark: false }));
        let behind = Start { clock: 0, ..known };
        assert_eq!(behind.begin().unwrap().base, 5000, "a clock that was set back changes nothing");
        let new = Start { mark: None, remembered: None, base: 0, margin: 0, ..known };
        assert_eq!(new.begin(), Ok(Started { base: 1000, margin: 0, without_mark: false }));
        let moved = Start { mark: None, ..known };
        let moved = moved.begin().unwrap();
        assert!(moved.without_mark && moved.base == 1000 + MAX_AHEAD, "{moved:?}");
        let ahead = Start { clock: 5001 + YEAR, ..known };
        assert_eq!(ahead.begin(), Err(ClockAhead { known: 5000 }));
    }

    #[test]
    fn the_mark_is_ahead_of_what_is_used_and_further_when_it_is_written_often() {
        let mut headroom = Headroom::new(100);
        assert_eq!(headroom.needed(100), None);
        assert_eq!(headroom.needed(101), Some(357));
        headroom.written(357, true);
        assert_eq!((headroom.needed(357), headroom.needed(358)), (None, Some(358 + 512)));
        headroom.written(870, false);
        assert_eq!(headroom.needed(871), Some(871 + 256));
    }

    #[test]
    fn ticks_and_times_convert_both_ways() {
        assert_eq!((tick_at(0), tick_at(EPOCH), tick_at(EPOCH + 5)), (0, 0, 2));
        assert_eq!(seconds_of(tick_at(EPOCH + 86_400)), EPOCH + 86_400);
    }
}
