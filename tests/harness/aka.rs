//! Subscribers, the vectors they get, and the USIM that judges them.

use anyhow::{Context, Result, ensure};
use schemas::secret::Key128;
use ue_sim::usim::{Challenge, Usim};

use crate::wire::{Message, TGPP, find};

/// A provisional subscriber as `callhome credentials import` takes it.
#[derive(Debug, Clone)]
pub struct Subscriber {
    /// Its IMSI.
    pub imsi: String,
    /// K.
    pub k: [u8; 16],
    /// OPc.
    pub opc: [u8; 16],
}

impl Subscriber {
    /// Number `n` of the tests' range 99971…, with random keys.
    ///
    /// # Errors
    /// If the system gives no random numbers.
    pub fn random(n: u64) -> Result<Self> {
        let (mut k, mut opc) = ([0; 16], [0; 16]);
        getrandom::fill(&mut k)?;
        getrandom::fill(&mut opc)?;
        Ok(Self { imsi: format!("99971{n:010}"), k, opc })
    }

    /// A line of the import file.
    #[must_use]
    pub fn line(&self) -> String {
        serde_json::json!({
            "imsi": self.imsi, "k": hex::encode(self.k), "opc": hex::encode(self.opc),
            "amf": "8000", "profile": "default",
        })
        .to_string()
    }

    /// A new USIM with its keys.
    #[must_use]
    pub fn usim(&self) -> Usim {
        Usim::new(&Key128::new(self.k), &Key128::new(self.opc))
    }

    /// SQN of a vector.
    ///
    /// # Errors
    /// If its MAC is not that of this subscriber.
    pub fn sqn(&self, vector: &Vector) -> Result<u64> {
        let checked = self.usim().check(&vector.challenge()).context("MAC-A of the vector is wrong")?;
        Ok(checked.sqn().number())
    }

    /// AUTS of a USIM whose highest accepted SQN is `sqn_ms`, for the challenge of `vector` (TS 33.102 §6.3.3).
    ///
    /// # Errors
    /// If the USIM does not take `sqn_ms`.
    pub fn auts(&self, vector: &Vector, sqn_ms: u64) -> Result<[u8; 14]> {
        use ue_sim::usim::{Sqn, SqnArray};
        let mut array = SqnArray::default().with_delta(u64::MAX >> 16);
        let octets: [u8; 6] = sqn_ms.to_be_bytes()[2..].try_into()?;
        array.accept(Sqn::from_octets(octets)).map_err(|why| anyhow::anyhow!("{sqn_ms:012x}: {why:?}"))?;
        Ok(self.usim().with_sqn(array).auts(&vector.challenge()))
    }
}

/// An E-UTRAN vector (TS 29.272 §7.3.18).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vector {
    /// RAND.
    pub rand: [u8; 16],
    /// XRES.
    pub xres: Vec<u8>,
    /// AUTN.
    pub autn: [u8; 16],
    /// KASME.
    pub kasme: [u8; 32],
}

impl Vector {
    /// What the network sends to the device.
    #[must_use]
    pub fn challenge(&self) -> Challenge {
        Challenge::new(&self.rand, &self.autn)
    }

    /// RAND ‖ AUTS: Re-Synchronization-Info (TS 29.272 §7.3.15).
    #[must_use]
    pub fn resync(&self, auts: &[u8; 14]) -> Vec<u8> {
        [self.rand.as_slice(), auts].concat()
    }
}

/// The vectors of an AIA in the order of their Item-Number, or of their places.
///
/// # Errors
/// If it is no success or holds no well-formed vector.
pub fn vectors(answer: &Message) -> Result<Vec<Vector>> {
    ensure!(answer.result()? == crate::wire::SUCCESS, "an AIA with {:?}", answer.result()?);
    let mut vectors = Vec::new();
    for avp in answer.tgpp(1413)?.members()? {
        ensure!((avp.code, avp.vendor) == (1414, TGPP), "AVP {} in Authentication-Info", avp.code);
        let members = avp.members()?;
        let item = find(&members, 1419, TGPP).and_then(super::wire::Avp::number).unwrap_or(0);
        let octets = |code| find(&members, code, TGPP).map(|avp| avp.data.clone());
        let vector = Vector {
            rand: octets(1447)?.as_slice().try_into().context("RAND has 16 octets")?,
            xres: octets(1448)?,
            autn: octets(1449)?.as_slice().try_into().context("AUTN has 16 octets")?,
            kasme: octets(1450)?.as_slice().try_into().context("KASME has 32 octets")?,
        };
        vectors.push((item, vector));
    }
    vectors.sort_by_key(|(item, _)| *item);
    ensure!(!vectors.is_empty(), "an AIA without a vector");
    Ok(vectors.into_iter().map(|(_, vector)| vector).collect())
}

/// The only vector of an AIA.
///
/// # Errors
/// As [`vectors`], or if there are more.
pub fn vector(answer: &Message) -> Result<Vector> {
    let mut all = vectors(answer)?;
    ensure!(all.len() == 1, "{} vectors", all.len());
    Ok(all.remove(0))
}
