//! The answer to a challenge, TS 33.102 §6.3.3 with the E-UTRAN rules of TS 33.401 §6.1.1.

use oxirush_security::milenage::{self, AutnJob, UsimResponse};
use oxirush_security::nas_eps::KAsme;
use oxirush_security::{Autn, Ck, Ik, Rand, kdf};
use schemas::identity::Plmn;

use super::{NotFresh, Sqn, Usim};

/// FC of KASME, TS 33.401 annex A.2.
const FC_KASME: u8 = 0x10;

/// What the network sends: AUTHENTICATION REQUEST, TS 24.301 §8.2.7.
#[derive(Debug, Clone)]
pub struct Challenge {
    rand: Rand,
    autn: Autn,
}

impl Challenge {
    /// RAND and AUTN, 16 octets each (TS 33.102 §6.3.2).
    #[must_use]
    pub fn new(rand: &[u8; 16], autn: &[u8; 16]) -> Self {
        Self { rand: Rand::new(rand), autn: Autn::new(autn) }
    }

    /// RAND.
    #[must_use]
    pub fn rand(&self) -> &[u8; 16] {
        self.rand.as_octets()
    }

    /// AUTN = SQN ⊕ AK ‖ AMF ‖ MAC-A.
    #[must_use]
    pub fn autn(&self) -> &[u8; 16] {
        self.autn.as_octets()
    }
}

/// How a USIM in an ME that accesses E-UTRAN answers.
#[derive(Debug, Clone)]
pub enum Authentication {
    /// The network is genuine and its number fresh.
    Accepted(Accepted),
    /// MAC-A is not the one that K gives: EMM cause #20 (TS 24.301 §5.4.2.6 c).
    MacFailure,
    /// The AMF separation bit is 0, which an ME on E-UTRAN refuses (TS 33.401 §6.1.1): EMM cause #26
    /// (TS 24.301 §5.4.2.6 d). The number counts as not seen.
    NonEpsUnacceptable,
    /// The number is not fresh: EMM cause #21 (TS 24.301 §5.4.2.6 e).
    SynchronisationFailure {
        /// SQN_MS ⊕ AK* ‖ MAC-S of the highest number accepted (TS 33.102 §6.3.3, annex C.2.1).
        auts: [u8; 14],
        /// The number refused.
        sqn: Sqn,
        /// Why it is refused.
        why: NotFresh,
    },
}

impl Authentication {
    /// The EMM cause of the AUTHENTICATION FAILURE (TS 24.301 annex A.3), `None` on success.
    #[must_use]
    pub fn emm_cause(&self) -> Option<u8> {
        match self {
            Self::Accepted(_) => None,
            Self::MacFailure => Some(20),
            Self::SynchronisationFailure { .. } => Some(21),
            Self::NonEpsUnacceptable => Some(26),
        }
    }
}

/// What an accepted challenge gives. Debug shows no key and no RES.
#[derive(Debug, Clone)]
pub struct Accepted {
    response: UsimResponse,
    kasme: KAsme,
}

impl Accepted {
    /// RES, 8 octets (TS 35.206 §2.4), to be compared with XRES.
    #[must_use]
    pub fn res(&self) -> &[u8; 8] {
        self.response.res().as_octets()
    }

    /// Whether `xres` is this RES, compared in constant time; XRES of another length is not.
    #[must_use]
    pub fn answers(&self, xres: &[u8]) -> bool {
        <&[u8; 8]>::try_from(xres).is_ok_and(|xres| milenage::Xres::new(xres).accepts(self.response.res()))
    }

    /// CK (TS 33.102 §6.3.3).
    #[must_use]
    pub fn ck(&self) -> &Ck {
        self.response.ck()
    }

    /// IK (TS 33.102 §6.3.3).
    #[must_use]
    pub fn ik(&self) -> &Ik {
        self.response.ik()
    }

    /// KASME, 256 bits, for the serving network that the challenge was answered in (TS 33.401 annex A.2).
    #[must_use]
    pub fn kasme(&self) -> &KAsme {
        &self.kasme
    }

    /// The sequence number accepted.
    #[must_use]
    pub fn sqn(&self) -> Sqn {
        Sqn::from_octets(*self.response.sqn().as_octets())
    }

    /// AMF of the AUTN, two octets (TS 33.102 annex H).
    #[must_use]
    pub fn amf(&self) -> [u8; 2] {
        *self.response.amf().as_octets()
    }
}

/// An AUTN whose MAC-A is right and whose number nobody has judged yet; see [`Usim::check`].
#[derive(Debug, Clone)]
pub struct Checked(UsimResponse);

impl Checked {
    /// The sequence number of the AUTN.
    #[must_use]
    pub fn sqn(&self) -> Sqn {
        Sqn::from_octets(*self.0.sqn().as_octets())
    }

    /// Whether the AMF separation bit is 1, as E-UTRAN wants it (TS 33.401 §6.1.1).
    #[must_use]
    pub fn for_eps(&self) -> bool {
        self.0.amf().separation_bit()
    }

    /// RES, CK, IK and KASME for `serving`, whatever the number is: for the judge of a network who asks
    /// whether its vectors are right even where a USIM would have refused them as used.
    #[must_use]
    pub fn derive(self, challenge: &Challenge, serving: Plmn) -> Accepted {
        let kasme = kasme(self.0.ck(), self.0.ik(), serving, challenge.autn.sqn_xor_ak());
        Accepted { response: self.0, kasme }
    }
}

impl Usim {
    /// Answers a challenge in the network `serving` (TS 33.102 §6.3.3): MAC-A first, then the separation bit,
    /// whose value only a right MAC-A vouches for, then the sequence number, which is remembered on success.
    pub fn authenticate(&mut self, challenge: &Challenge, serving: Plmn) -> Authentication {
        match self.check(challenge) {
            Some(checked) => self.judge(checked, challenge, serving),
            None => Authentication::MacFailure,
        }
    }

    /// Only whether MAC-A is the one that K gives; the array is neither asked nor changed.
    #[must_use]
    pub fn check(&self, challenge: &Challenge) -> Option<Checked> {
        self.milenage.check_autn(&challenge.rand, &challenge.autn).ok().map(Checked)
    }

    /// [`Usim::check`] for many at once, which is several times as fast: in the order of `challenges`.
    #[must_use]
    pub fn check_many(challenges: &[(&Self, &Challenge)]) -> Vec<Option<Checked>> {
        let mut jobs: Vec<_> = challenges
            .iter()
            .map(|(usim, challenge)| AutnJob::new(&usim.milenage, &challenge.rand, &challenge.autn))
            .collect();
        milenage::check_autn_batch(&mut jobs);
        jobs.into_iter().map(|job| job.into_response().and_then(Result::ok).map(Checked)).collect()
    }

    /// The rest of [`Usim::authenticate`] after [`Usim::check`].
    pub fn judge(&mut self, checked: Checked, challenge: &Challenge, serving: Plmn) -> Authentication {
        if !checked.for_eps() {
            return Authentication::NonEpsUnacceptable;
        }
        let sqn = checked.sqn();
        match self.sqn.accept(sqn) {
            Ok(()) => Authentication::Accepted(checked.derive(challenge, serving)),
            Err(why) => {
                let auts = self.auts(challenge);
                Authentication::SynchronisationFailure { auts, sqn, why }
            }
        }
    }

    /// AUTS for `challenge`: SQN_MS ⊕ AK* ‖ MAC-S, 14 octets (TS 33.102 §6.3.3).
    #[must_use]
    pub fn auts(&self, challenge: &Challenge) -> [u8; 14] {
        let sqn_ms = milenage::Sqn::new(&self.sqn.highest().octets());
        *self.milenage.auts(&challenge.rand, &sqn_ms).as_octets()
    }
}

/// KASME = KDF(CK ‖ IK, 0x10 ‖ SN id ‖ 0x0003 ‖ SQN ⊕ AK ‖ 0x0006), TS 33.401 annex A.2.
fn kasme(ck: &Ck, ik: &Ik, serving: Plmn, sqn_xor_ak: &[u8; 6]) -> KAsme {
    let mut key = zeroize::Zeroizing::new([0; 32]);
    key[..16].copy_from_slice(ck.as_octets());
    key[16..].copy_from_slice(ik.as_octets());
    let mut s = [0; 14];
    s[0] = FC_KASME;
    s[1..4].copy_from_slice(&serving.octets());
    s[4..6].copy_from_slice(&3u16.to_be_bytes());
    s[6..12].copy_from_slice(sqn_xor_ak);
    s[12..14].copy_from_slice(&6u16.to_be_bytes());
    KAsme::new(&kdf::kdf(&*key, &s))
}
