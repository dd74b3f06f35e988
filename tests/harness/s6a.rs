//! Requests of TS 29.272 as an MME sends them.

use crate::wire::{Avp, Message, TGPP, flag, group};

/// The application (TS 29.272 §7.1.8).
pub const S6A: u32 = 16_777_251;
/// Authentication-Information (TS 29.272 §7.2.5).
pub const AIR: u32 = 318;
/// Update-Location (§7.2.3).
pub const ULR: u32 = 316;
/// Cancel-Location (§7.2.7).
pub const CLR: u32 = 317;
/// Insert-Subscriber-Data (§7.2.9).
pub const IDR: u32 = 319;
/// Purge-UE (§7.2.13).
pub const PUR: u32 = 321;
/// Delete-Subscriber-Data.
pub const DSR: u32 = 320;
/// Reset.
pub const RSR: u32 = 322;
/// Notify (§7.2.17).
pub const NOR: u32 = 323;

/// Who asks whom.
#[derive(Debug, Clone)]
pub struct Route {
    /// Origin-Host.
    pub host: String,
    /// Origin-Realm.
    pub realm: String,
    /// Destination-Host.
    pub hss: String,
    /// Destination-Realm.
    pub hss_realm: String,
}

impl Route {
    /// A request with what all of S6a share.
    #[must_use]
    pub fn request(&self, command: u32, session: &str, imsi: &str) -> Message {
        let application = group(&[Avp::base(266, TGPP.to_be_bytes()), Avp::base(258, S6A.to_be_bytes())]);
        Message {
            flags: flag::REQUEST | flag::PROXIABLE,
            command,
            application: S6A,
            hop_by_hop: 0,
            end_to_end: 0,
            avps: vec![
                Avp::base(263, session),
                Avp::base(260, application),
                Avp::base(277, 1u32.to_be_bytes()),
                Avp::base(264, self.host.as_str()),
                Avp::base(296, self.realm.as_str()),
                Avp::base(293, self.hss.as_str()),
                Avp::base(283, self.hss_realm.as_str()),
                Avp::base(1, imsi),
            ],
        }
    }

    /// AIR for E-UTRAN vectors, perhaps with RAND ‖ AUTS.
    #[must_use]
    pub fn air(
        &self,
        session: &str,
        imsi: &str,
        plmn: [u8; 3],
        vectors: u32,
        resync: Option<&[u8]>,
    ) -> Message {
        let mut message = self.request(AIR, session, imsi);
        let mut wanted = vec![Avp::tgpp(1410, vectors.to_be_bytes()), Avp::tgpp(1412, 1u32.to_be_bytes())];
        if let Some(octets) = resync {
            wanted.push(Avp::tgpp(1411, octets));
        }
        message.avps.push(Avp::tgpp(1408, group(&wanted)));
        message.avps.push(Avp::tgpp(1407, plmn));
        message
    }

    /// ULR as Open5GS's MME sends it.
    #[must_use]
    pub fn ulr(&self, session: &str, imsi: &str, plmn: [u8; 3]) -> Message {
        let mut message = self.request(ULR, session, imsi);
        let terminal = group(&[Avp::tgpp(1402, "35925406123456"), Avp::tgpp(1403, "01")]);
        message.avps.extend([
            Avp::tgpp(1401, terminal),
            Avp { code: 1032, vendor: TGPP, mandatory: true, data: 1004u32.to_be_bytes().to_vec() },
            Avp::tgpp(1405, 0x22u32.to_be_bytes()),
            Avp::tgpp(1615, 0u32.to_be_bytes()).with_mandatory(false),
            Avp::tgpp(1407, plmn),
        ]);
        message
    }

    /// PUR.
    #[must_use]
    pub fn pur(&self, session: &str, imsi: &str) -> Message {
        self.request(PUR, session, imsi)
    }
}
