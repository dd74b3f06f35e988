//! The devices of one connection, and which of them is next.

use std::collections::VecDeque;

use schemas::identity::Imsi;

use super::Verify;
use crate::device::Device;
use crate::usim::Usim;

/// One device.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) imsi: Imsi,
    /// Its place in the whole load run.
    pub(super) number: u32,
    pub(super) usim: Usim,
    digits: [u8; Imsi::MAX_DIGITS],
    length: u8,
}

impl Member {
    fn new(number: u32, device: &Device) -> Self {
        let text = device.imsi.to_string();
        let mut digits = [b'0'; Imsi::MAX_DIGITS];
        let length = text.len().min(digits.len());
        digits[..length].copy_from_slice(&text.as_bytes()[..length]);
        Self { imsi: device.imsi, number, usim: device.usim.clone(), digits, length: length as u8 }
    }

    /// The IMSI in ASCII.
    #[inline]
    pub(super) fn digits(&self) -> &[u8] {
        &self.digits[..usize::from(self.length)]
    }
}

/// The devices of one connection.
#[derive(Debug)]
pub(super) struct Fleet {
    members: Vec<Member>,
    turn: Turn,
}

#[derive(Debug)]
enum Turn {
    /// A device is busy until [`Fleet::finished`].
    Idle(VecDeque<u32>),
    /// Round and round, whether busy or not.
    Always(u32),
}

impl Fleet {
    /// Deals `devices` out to connection `n` of `connections`, as [`Verify`] says.
    pub(super) fn new(devices: &[Device], verify: Verify, n: usize, connections: usize) -> Self {
        let share = verify == Verify::Usim || (verify == Verify::Off && devices.len() >= connections);
        let members: Vec<_> = (0u32..)
            .zip(devices)
            .filter(|(number, _)| !share || *number as usize % connections == n)
            .map(|(number, device)| Member::new(number, device))
            .collect();
        let turn = match verify {
            Verify::Usim => Turn::Idle((0..members.len() as u32).collect()),
            // Connections start with different devices, and meet later.
            Verify::Unique | Verify::Off => Turn::Always((n % members.len().max(1)) as u32),
        };
        Self { members, turn }
    }

    /// The next device that may begin; `None` while all are busy.
    #[inline]
    pub(super) fn next(&mut self) -> Option<u32> {
        match &mut self.turn {
            Turn::Idle(idle) => idle.pop_front(),
            Turn::Always(next) => {
                let this = *next;
                *next = if this as usize + 1 < self.members.len() { this + 1 } else { 0 };
                (!self.members.is_empty()).then_some(this)
            }
        }
    }

    /// The device has ended what it began.
    #[inline]
    pub(super) fn finished(&mut self, device: u32) {
        if let Turn::Idle(idle) = &mut self.turn {
            idle.push_back(device);
        }
    }

    #[inline]
    pub(super) fn member(&self, device: u32) -> &Member {
        &self.members[device as usize]
    }

    #[inline]
    pub(super) fn usim_mut(&mut self, device: u32) -> &mut Usim {
        &mut self.members[device as usize].usim
    }

    pub(super) fn members(&self) -> &[Member] {
        &self.members
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::secret::Key128;

    fn devices(count: u64) -> Vec<Device> {
        let first: Imsi = "999710000000001".parse().unwrap();
        let key = Key128::new([1; 16]);
        (0..count).map(|i| Device::new(first.checked_add(i).unwrap(), &key, &key)).collect()
    }

    #[test]
    fn every_device_belongs_to_one_connection() {
        let devices = devices(7);
        let mut numbers: Vec<_> = (0..3)
            .flat_map(|n| Fleet::new(&devices, Verify::Usim, n, 3).members)
            .map(|member| (member.number, member.imsi))
            .collect();
        numbers.sort_unstable();
        let all: Vec<_> = (0..).zip(devices.iter().map(|d| d.imsi)).collect();
        assert_eq!(numbers, all);
    }

    #[test]
    fn a_busy_device_is_not_given_out_again_before_it_has_finished() {
        let mut fleet = Fleet::new(&devices(2), Verify::Usim, 0, 1);
        assert_eq!((fleet.next(), fleet.next(), fleet.next()), (Some(0), Some(1), None));
        fleet.finished(1);
        assert_eq!((fleet.next(), fleet.next()), (Some(1), None));
    }

    #[test]
    fn for_uniqueness_every_connection_has_every_device_at_any_time() {
        let mut fleet = Fleet::new(&devices(2), Verify::Unique, 1, 64);
        assert_eq!(fleet.members().len(), 2);
        assert_eq!((fleet.next(), fleet.next(), fleet.next()), (Some(1), Some(0), Some(1)));
    }
}
