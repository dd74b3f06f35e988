//! The initial attach of one device: AKA with vectors of the home network, then Update Location.

use std::time::{Duration, Instant};

use ::s6a::app::vectors::ResynchronizationInfo;
use ::s6a::app::{self, Answer, RatType, UlrFlags};
use ::s6a::base::{AuthSessionState, Outcome};
use ::s6a::net::OwnedMessage;
use schemas::identity::Imsi;
use serde::{Deserialize, Serialize};

use super::cause::{self, emm_cause};
use super::mme::{check_session, decode, received};
use super::{Mme, MmeError, Step, Subscription};
use crate::device::Device;
use crate::usim::{Accepted, Authentication, Challenge};

/// How an attach ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "end")]
pub enum AttachEnd {
    /// The device is attached, with this profile.
    Attached {
        /// Subscription-Data of the ULA.
        subscription: Subscription,
    },
    /// The home network refuses.
    Refused {
        /// Which request.
        command: String,
        /// Its result, as `experimental 5001 DIAMETER_ERROR_USER_UNKNOWN`.
        result: String,
        /// What the device is told (TS 24.301 annex A).
        emm_cause: u8,
    },
    /// The USIM does not take the network for its own: MAC failure or separation bit.
    NetworkRefused {
        /// What the device tells the MME (TS 24.301 annex A).
        emm_cause: u8,
    },
    /// The second synchronisation failure in a row, after which the MME rejects (TS 24.301 §5.4.2.7 e).
    NotSynchronised,
    /// RES is not XRES: AUTHENTICATION REJECT (TS 24.301 §5.4.2.5).
    DeviceRefused,
    /// Device and MME have different KASME: nothing they protect could be read.
    KeysDiffer,
}

/// What became of an attach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachReport {
    /// Whose.
    pub imsi: Imsi,
    /// How it ended.
    #[serde(flatten)]
    pub end: AttachEnd,
    /// Whether the sequence numbers had to be synchronised.
    pub resynchronised: bool,
    /// From the device's request to the end.
    pub took: Duration,
}

impl AttachReport {
    /// Whether the device is attached.
    #[must_use]
    pub fn is_attached(&self) -> bool {
        matches!(self.end, AttachEnd::Attached { .. })
    }
}

/// What came of asking for vectors once.
enum Asked {
    Vector(Vector),
    Ended(AttachEnd),
}

/// An E-UTRAN vector, taken out of its message; wiped when dropped.
struct Vector {
    challenge: Challenge,
    xres: zeroize::Zeroizing<Vec<u8>>,
    kasme: zeroize::Zeroizing<[u8; 32]>,
}

impl Mme {
    /// Attaches `device`, whose USIM remembers what it has accepted.
    ///
    /// # Errors
    /// If the home network does not answer, or not as it has to. What it refuses is an [`AttachEnd`].
    pub async fn attach(&self, device: &mut Device) -> Result<AttachReport, MmeError> {
        let begun = Instant::now();
        let imsi = device.imsi;
        let network = self.config.visited_plmn;
        self.events.tell(Step::AttachBegins, Some(imsi), format!("IMSI {imsi} at network {network}"), None);
        let mut resynchronised = false;
        let end = match self.authenticate(device, &mut resynchronised).await? {
            Ok(()) => self.update_location(device).await?,
            Err(end) => end,
        };
        Ok(AttachReport { imsi, end, resynchronised, took: begun.elapsed() })
    }

    /// AKA, with one resynchronisation if the USIM asks for it.
    async fn authenticate(
        &self,
        device: &mut Device,
        resynchronised: &mut bool,
    ) -> Result<Result<(), AttachEnd>, MmeError> {
        let imsi = device.imsi;
        let mut resync = None;
        loop {
            let vector = match self.authentication_information(imsi, resync).await? {
                Asked::Vector(vector) => vector,
                Asked::Ended(end) => return Ok(Err(end)),
            };
            match device.usim.authenticate(&vector.challenge, self.config.visited_plmn) {
                Authentication::Accepted(accepted) => return Ok(self.compare(imsi, &vector, &accepted)),
                Authentication::SynchronisationFailure { auts, sqn, why } => {
                    let detail = format!(
                        "{sqn} (SEQ/IND): {why}; highest accepted {}; AUTS {}",
                        device.usim.sqn().highest(),
                        hex::encode(auts)
                    );
                    self.events.tell(Step::SynchronisationFailure, Some(imsi), detail, None);
                    if resync.is_some() {
                        return Ok(Err(AttachEnd::NotSynchronised));
                    }
                    resync = Some(ResynchronizationInfo::new(*vector.challenge.rand(), auts));
                    *resynchronised = true;
                }
                refused @ (Authentication::MacFailure | Authentication::NonEpsUnacceptable) => {
                    let emm_cause = refused.emm_cause().unwrap_or_default();
                    let detail = format!("EMM cause #{emm_cause}, {}", cause::name(emm_cause));
                    self.events.tell(Step::NetworkRefused, Some(imsi), detail, None);
                    return Ok(Err(AttachEnd::NetworkRefused { emm_cause }));
                }
            }
        }
    }

    /// RES against XRES, as the MME does; KASME against KASME, as the first protected message would.
    fn compare(&self, imsi: Imsi, vector: &Vector, accepted: &Accepted) -> Result<(), AttachEnd> {
        let tell = |step, detail: String| self.events.tell(step, Some(imsi), detail, None);
        let [a, b] = accepted.amf();
        tell(
            Step::NetworkAuthenticated,
            format!("MAC-A is right, SQN {} is fresh, AMF {a:02x}{b:02x}", accepted.sqn()),
        );
        if !accepted.answers(&vector.xres) {
            tell(Step::DeviceRefused, format!("{} octets expected, 8 given", vector.xres.len()));
            return Err(AttachEnd::DeviceRefused);
        }
        tell(Step::DeviceAuthenticated, "8 octets, compared in constant time".into());
        let same = subtle::ConstantTimeEq::ct_eq(&accepted.kasme().as_octets()[..], &vector.kasme[..]);
        if !bool::from(same) {
            let network = self.config.visited_plmn;
            tell(Step::KeysDiffer, format!("is the home network's bound to another network than {network}?"));
            return Err(AttachEnd::KeysDiffer);
        }
        tell(Step::KeysAgree, format!("256 bits, bound to network {}", self.config.visited_plmn));
        Ok(())
    }

    /// AIR and AIA (TS 29.272 §5.2.3.1).
    async fn authentication_information(
        &self,
        imsi: Imsi,
        resync: Option<ResynchronizationInfo>,
    ) -> Result<Asked, MmeError> {
        let (session, user) = (self.session_id(), imsi.to_string());
        let asked = Instant::now();
        let encode = |out: &mut Vec<u8>, hop_by_hop, end_to_end| {
            app::AuthenticationInformationRequest {
                session_id: &session,
                vendor_specific_application_id: Some(app::APPLICATION_ID),
                auth_session_state: AuthSessionState::NoStateMaintained,
                origin_host: &self.config.origin_host,
                origin_realm: &self.config.origin_realm,
                destination_host: self.config.destination_host.as_deref(),
                destination_realm: &self.config.destination_realm,
                user_name: &user,
                requested_eutran_authentication_info: Some(app::RequestedVectors {
                    number_of_requested_vectors: Some(self.config.vectors),
                    immediate_response_preferred: Some(1),
                    re_synchronization_info: resync,
                }),
                visited_plmn_id: self.config.visited_plmn.octets(),
                ..Default::default()
            }
            .encode(out, hop_by_hop, end_to_end);
        };
        let detail = match resync {
            Some(_) => format!("for {imsi}, with RAND and AUTS to synchronise by"),
            None => format!("for {imsi}, {} vector(s)", self.config.vectors),
        };
        let leaves = |sent| self.events.tell(Step::VectorsAsked, Some(imsi), detail, sent);
        let answer = self.ask("AIR", encode, leaves).await?;

        let message = answer.message();
        check_session("AIR", &message, &session)?;
        let aia = match decode("AIR", &message)? {
            Answer::AuthenticationInformation(aia) if aia.outcome.is_success() => aia,
            other => return Ok(Asked::Ended(self.refused(imsi, "AIR", other.outcome(), &answer))),
        };
        let vectors = aia.authentication_info.map(|info| info.eutran_vector);
        let Some(vector) = vectors.and_then(|vectors| vectors.first()) else {
            return Err(MmeError::Answer { command: "AIR", what: "it has no E-UTRAN-Vector".into() });
        };
        let detail = format!("{imsi}; answered after {:.1} ms", asked.elapsed().as_secs_f64() * 1e3);
        self.events.tell(Step::CredentialFound, Some(imsi), detail, None);
        let detail = format!("RAND {}, AUTN {}", hex::encode(vector.rand), hex::encode(vector.autn));
        self.events.tell(Step::VectorsReceived, Some(imsi), detail, Some(received(&answer)));
        Ok(Asked::Vector(Vector {
            challenge: Challenge::new(&vector.rand, &vector.autn),
            xres: vector.xres.to_vec().into(),
            kasme: vector.kasme.into(),
        }))
    }

    /// ULR and ULA (TS 29.272 §5.2.1.1), with the AVPs that Open5GS's MME sends.
    async fn update_location(&self, device: &Device) -> Result<AttachEnd, MmeError> {
        let imsi = device.imsi;
        let (session, user) = (self.session_id(), imsi.to_string());
        let encode = |out: &mut Vec<u8>, hop_by_hop, end_to_end| {
            app::UpdateLocationRequest {
                session_id: &session,
                vendor_specific_application_id: Some(app::APPLICATION_ID),
                auth_session_state: AuthSessionState::NoStateMaintained,
                origin_host: &self.config.origin_host,
                origin_realm: &self.config.origin_realm,
                destination_host: self.config.destination_host.as_deref(),
                destination_realm: &self.config.destination_realm,
                user_name: &user,
                terminal_information: Some(app::TerminalInformation {
                    imei: Some(&device.imei),
                    software_version: Some("01"),
                    ..Default::default()
                }),
                rat_type: RatType::EUTRAN,
                ulr_flags: UlrFlags::S6A.with(UlrFlags::INITIAL_ATTACH),
                ue_srvcc_capability: Some(UE_SRVCC_NOT_SUPPORTED),
                visited_plmn_id: self.config.visited_plmn.octets(),
                ..Default::default()
            }
            .encode(out, hop_by_hop, end_to_end);
        };
        let detail = format!("for {imsi}, initial attach");
        let leaves = |sent| self.events.tell(Step::LocationUpdateAsked, Some(imsi), detail, sent);
        let answer = self.ask("ULR", encode, leaves).await?;

        let message = answer.message();
        check_session("ULR", &message, &session)?;
        let ula = match decode("ULR", &message)? {
            Answer::UpdateLocation(ula) if ula.outcome.is_success() => ula,
            other => return Ok(self.refused(imsi, "ULR", other.outcome(), &answer)),
        };
        // The subscriber data was not to be skipped: TS 29.272 §5.2.1.1.3.
        let Some(data) = &ula.subscription_data else {
            return Err(MmeError::Answer { command: "ULR", what: "it has no Subscription-Data".into() });
        };
        let subscription = Subscription::of(data);
        self.events.tell(
            Step::SubscriptionReceived,
            Some(imsi),
            subscription.to_string(),
            Some(received(&answer)),
        );
        self.register(imsi, subscription.clone());
        let address = subscription.default_apn().and_then(|apn| apn.addresses.first());
        let detail = match address {
            Some(address) => format!("with address {address}"),
            None => "its address will be a dynamic one".to_owned(),
        };
        self.events.tell(Step::Attached, Some(imsi), detail, None);
        Ok(AttachEnd::Attached { subscription })
    }

    fn refused(&self, imsi: Imsi, command: &str, outcome: Outcome, answer: &OwnedMessage) -> AttachEnd {
        // A success that is no such answer cannot be told from a failure of the network's.
        let emm_cause = emm_cause(outcome).unwrap_or(17);
        let result = match outcome {
            Outcome::Experimental { .. } => format!("experimental {outcome}"),
            Outcome::Result(_) => outcome.to_string(),
        };
        let detail =
            format!("{command}: {result}; the device is told #{emm_cause}, {}", cause::name(emm_cause));
        self.events.tell(Step::Refused, Some(imsi), detail, Some(received(answer)));
        AttachEnd::Refused { command: command.into(), result, emm_cause }
    }
}

/// UE-SRVCC-Capability, TS 29.272 §7.3.130.
const UE_SRVCC_NOT_SUPPORTED: u32 = 0;
