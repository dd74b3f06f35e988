//! Are the vectors right? Many are checked at once, which is several times as fast as one by one.

use schemas::identity::Plmn;
use serde::{Deserialize, Serialize};

use super::Verify;
use super::fleet::Fleet;
use super::wire::Vector;
use crate::usim::{Accepted, Authentication, Challenge, Checked, Usim};

/// What the USIMs and the MME thought of the vectors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    pub(super) accepted: u64,
    pub(super) mac_failures: u64,
    pub(super) non_eps: u64,
    pub(super) sync_failures: u64,
    pub(super) xres_differs: u64,
    pub(super) kasme_differs: u64,
    pub(super) without_vector: u64,
}

impl Counts {
    pub(super) fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.mac_failures += other.mac_failures;
        self.non_eps += other.non_eps;
        self.sync_failures += other.sync_failures;
        self.xres_differs += other.xres_differs;
        self.kasme_differs += other.kasme_differs;
        self.without_vector += other.without_vector;
    }
}

/// What is to be done about a request whose vectors have been checked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Good,
    /// RAND ‖ AUTS for an AIR with Re-Synchronization-Info (TS 29.272 §7.3.15).
    Resynchronise([u8; 30]),
    Bad,
}

struct Pending {
    slot: u16,
    device: u32,
    challenge: Challenge,
    xres: [u8; 16],
    xres_length: usize,
    kasme: [u8; 32],
    /// No further vector of the same answer follows.
    last: bool,
}

/// Vectors that wait to be checked, and what came of those checked.
pub(super) struct Verifier {
    mode: Verify,
    serving: Plmn,
    pending: Vec<Pending>,
    pub(super) counts: Counts,
    /// Device number and SQN of every vector, for [`Verify::Unique`].
    pub(super) seen: Vec<(u32, u64)>,
}

impl Verifier {
    pub(super) fn new(mode: Verify, serving: Plmn) -> Self {
        Self { mode, serving, pending: Vec::new(), counts: Counts::default(), seen: Vec::new() }
    }

    /// Keeps one vector of the answer to the request in `slot`.
    pub(super) fn add(&mut self, slot: u16, device: u32, vector: &Vector<'_>) {
        let mut xres = [0; 16];
        // XRES has at most 16 octets (TS 33.102 §6.3.7); a longer one stays unequal to any RES by its length.
        let kept = vector.xres.len().min(xres.len());
        xres[..kept].copy_from_slice(&vector.xres[..kept]);
        if let Some(before) = self.pending.last_mut().filter(|before| before.slot == slot) {
            before.last = false;
        }
        self.pending.push(Pending {
            slot,
            device,
            challenge: Challenge::new(&vector.rand, &vector.autn),
            xres,
            xres_length: vector.xres.len(),
            kasme: vector.kasme,
            last: true,
        });
    }

    /// Vectors that wait to be checked.
    pub(super) fn waiting(&self) -> usize {
        self.pending.len()
    }

    /// Drops the vectors of the request in `slot`: its answer turned out to be broken.
    pub(super) fn forget(&mut self, slot: u16) {
        self.pending.retain(|pending| pending.slot != slot);
    }

    /// Checks all that wait and gives one verdict for each request, in the order in which they were added.
    pub(super) fn verdicts(&mut self, fleet: &mut Fleet) -> Vec<(u16, Verdict)> {
        let jobs: Vec<_> =
            self.pending.iter().map(|p| (&fleet.member(p.device).usim, &p.challenge)).collect();
        let checked = Usim::check_many(&jobs);
        let mut verdicts = Vec::with_capacity(checked.len());
        let mut so_far = Verdict::Good;
        for (pending, checked) in std::mem::take(&mut self.pending).into_iter().zip(checked) {
            let verdict = match checked {
                Some(checked) => self.judge(&pending, checked, fleet),
                None => {
                    self.counts.mac_failures += 1;
                    Verdict::Bad
                }
            };
            if so_far == Verdict::Good {
                so_far = verdict;
            }
            if pending.last {
                verdicts.push((pending.slot, std::mem::replace(&mut so_far, Verdict::Good)));
            }
        }
        verdicts
    }

    fn judge(&mut self, pending: &Pending, checked: Checked, fleet: &mut Fleet) -> Verdict {
        let challenge = &pending.challenge;
        if self.mode == Verify::Unique {
            if !checked.for_eps() {
                self.counts.non_eps += 1;
                return Verdict::Bad;
            }
            self.seen.push((fleet.member(pending.device).number, checked.sqn().number()));
            let accepted = checked.derive(challenge, self.serving);
            return self.compare(pending, &accepted);
        }
        match fleet.usim_mut(pending.device).judge(checked, challenge, self.serving) {
            Authentication::Accepted(accepted) => self.compare(pending, &accepted),
            Authentication::SynchronisationFailure { auts, .. } => {
                self.counts.sync_failures += 1;
                let mut info = [0; 30];
                info[..16].copy_from_slice(challenge.rand());
                info[16..].copy_from_slice(&auts);
                Verdict::Resynchronise(info)
            }
            Authentication::NonEpsUnacceptable => {
                self.counts.non_eps += 1;
                Verdict::Bad
            }
            Authentication::MacFailure => {
                self.counts.mac_failures += 1;
                Verdict::Bad
            }
        }
    }

    /// The MME's part: RES against XRES (TS 33.401 §6.1.1); and ours: the two KASME.
    fn compare(&mut self, pending: &Pending, accepted: &Accepted) -> Verdict {
        let xres = pending.xres.get(..pending.xres_length).unwrap_or_default();
        if !accepted.answers(xres) {
            self.counts.xres_differs += 1;
            return Verdict::Bad;
        }
        if accepted.kasme().as_octets() != &pending.kasme {
            self.counts.kasme_differs += 1;
            return Verdict::Bad;
        }
        self.counts.accepted += 1;
        Verdict::Good
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Device;
    use crate::test_hss::Hss;

    fn setup(mode: Verify) -> (Hss, Fleet, Verifier) {
        let hss = Hss::new(3);
        let fleet = Fleet::new(&hss.devices(), mode, 0, 1);
        (hss, fleet, Verifier::new(mode, Hss::serving()))
    }

    fn add(verifier: &mut Verifier, slot: u16, device: u32, vector: &crate::test_hss::OwnVector) {
        verifier.add(
            slot,
            device,
            &Vector { rand: vector.rand, xres: &vector.xres, autn: vector.autn, kasme: vector.kasme },
        );
    }

    #[test]
    fn each_way_of_being_wrong_is_counted_as_itself() {
        let (mut hss, mut fleet, mut verifier) = setup(Verify::Usim);
        let good = hss.vector(0, Hss::serving());
        let mut bad_mac = hss.vector(1, Hss::serving());
        bad_mac.autn[15] ^= 1;
        let mut bad_xres = hss.vector(1, Hss::serving());
        bad_xres.xres[0] ^= 1;
        let elsewhere = hss.vector(2, "001-01".parse().unwrap());
        for (slot, (device, vector)) in
            (0..).zip([(0, &good), (1, &bad_mac), (1, &bad_xres), (2, &elsewhere)])
        {
            add(&mut verifier, slot, device, vector);
        }
        add(&mut verifier, 4, 0, &good);
        let verdicts = verifier.verdicts(&mut fleet);
        assert_eq!(verdicts.iter().map(|(slot, _)| *slot).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        assert!(matches!(
            verdicts.iter().map(|(_, verdict)| verdict).collect::<Vec<_>>()[..],
            [Verdict::Good, Verdict::Bad, Verdict::Bad, Verdict::Bad, Verdict::Resynchronise(_)]
        ));
        let expected = Counts {
            accepted: 1,
            mac_failures: 1,
            xres_differs: 1,
            kasme_differs: 1,
            sync_failures: 1,
            ..Counts::default()
        };
        assert_eq!(verifier.counts, expected);
    }

    #[test]
    fn one_bad_vector_of_several_makes_the_answer_bad() {
        let (mut hss, mut fleet, mut verifier) = setup(Verify::Usim);
        let vectors: Vec<_> = (0..3).map(|_| hss.vector(0, Hss::serving())).collect();
        for (at, vector) in vectors.iter().enumerate() {
            let mut vector = vector.clone();
            vector.xres[0] ^= u8::from(at == 1);
            add(&mut verifier, 9, 0, &vector);
        }
        assert_eq!(verifier.verdicts(&mut fleet), [(9, Verdict::Bad)]);
    }

    #[test]
    fn for_uniqueness_a_number_out_of_order_is_good_and_remembered() {
        let (mut hss, mut fleet, mut verifier) = setup(Verify::Unique);
        let (first, second) = (hss.vector(1, Hss::serving()), hss.vector(1, Hss::serving()));
        for (slot, vector) in [(0, &second), (1, &first), (2, &first)] {
            add(&mut verifier, slot, 1, vector);
        }
        assert!(verifier.verdicts(&mut fleet).iter().all(|(_, verdict)| *verdict == Verdict::Good));
        assert_eq!(verifier.seen.len(), 3);
        assert_eq!(verifier.seen[1], verifier.seen[2]);
        assert!(verifier.seen[0] > verifier.seen[1]);
    }

    #[test]
    fn xres_of_another_length_is_no_res() {
        let (mut hss, mut fleet, mut verifier) = setup(Verify::Usim);
        for length in [0, 4, 7, 9, 16, 40] {
            let mut vector = hss.vector(0, Hss::serving());
            vector.xres.resize(length, 0);
            add(&mut verifier, 0, 0, &vector);
            assert_eq!(verifier.verdicts(&mut fleet), [(0, Verdict::Bad)], "{length}");
        }
        assert_eq!(verifier.counts.xres_differs, 6);
    }

    #[test]
    fn a_device_of_another_key_is_a_mac_failure() {
        let (mut hss, _, mut verifier) = setup(Verify::Usim);
        let key = schemas::secret::Key128::new([9; 16]);
        let stranger = Device::new(hss.devices()[0].imsi, &key, &key);
        let mut fleet = Fleet::new(&[stranger], Verify::Usim, 0, 1);
        add(&mut verifier, 0, 0, &hss.vector(0, Hss::serving()));
        assert_eq!(verifier.verdicts(&mut fleet), [(0, Verdict::Bad)]);
        assert_eq!(verifier.counts.mac_failures, 1);
    }
}
