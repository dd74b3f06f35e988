//! What happens, step by step, for a person or a program to follow.

use schemas::identity::Imsi;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::wire::WireSummary;

/// The steps of the initial attach as the architecture numbers them (its section 5, steps 1 to 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
#[repr(u8)]
pub enum Seed {
    /// The device attaches at any visited operator with its PCID in the form of an IMSI.
    Attach = 1,
    /// The visited operator contacts the ICF with the PCID.
    Contact = 2,
    /// The ICF finds the temporary-access credential and generates vectors.
    Generate = 3,
    /// The vectors go to the visited operator.
    Transfer = 4,
    /// The visited operator authenticates the device by AKA.
    Authenticate = 5,
}

impl From<Seed> for u8 {
    fn from(seed: Seed) -> Self {
        seed as Self
    }
}

impl TryFrom<u8> for Seed {
    type Error = &'static str;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        [Self::Attach, Self::Contact, Self::Generate, Self::Transfer, Self::Authenticate]
            .into_iter()
            .find(|seed| *seed as u8 == number)
            .ok_or("the initial attach has steps 1 to 5")
    }
}

/// What has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// CER and CEA are done.
    Connected,
    /// The connection to the home network is gone.
    Disconnected,
    /// The device asks to attach.
    AttachBegins,
    /// AIR has left.
    VectorsAsked,
    /// The home network has looked the credential up; told by its answer.
    CredentialFound,
    /// AIA has come with a vector.
    VectorsReceived,
    /// The USIM accepts AUTN.
    NetworkAuthenticated,
    /// The USIM refuses AUTN: MAC failure or separation bit.
    NetworkRefused,
    /// The USIM finds the sequence number not fresh, and gives AUTS.
    SynchronisationFailure,
    /// RES is XRES.
    DeviceAuthenticated,
    /// RES is not XRES.
    DeviceRefused,
    /// The device's KASME is the one received.
    KeysAgree,
    /// It is another one.
    KeysDiffer,
    /// ULR has left.
    LocationUpdateAsked,
    /// ULA has come with Subscription-Data.
    SubscriptionReceived,
    /// The device is attached.
    Attached,
    /// The home network refuses, or answers what cannot be used.
    Refused,
    /// CLR has come, and is answered.
    LocationCancelled,
    /// The device is to attach again at once (CLR-Flags, TS 29.272 §7.3.152).
    ReattachRequired,
    /// IDR has come, and is answered.
    SubscriberDataInserted,
    /// DSR has come, and is answered.
    SubscriberDataDeleted,
    /// RSR has come, and is answered.
    Reset,
    /// PUR and PUA are exchanged.
    Purged,
    /// NOR and NOA are exchanged.
    Notified,
}

impl Step {
    /// Which step of the initial attach it belongs to.
    #[must_use]
    pub fn seed(self) -> Option<Seed> {
        match self {
            Self::AttachBegins => Some(Seed::Attach),
            Self::VectorsAsked => Some(Seed::Contact),
            Self::CredentialFound => Some(Seed::Generate),
            Self::VectorsReceived => Some(Seed::Transfer),
            Self::NetworkAuthenticated
            | Self::NetworkRefused
            | Self::SynchronisationFailure
            | Self::DeviceAuthenticated
            | Self::DeviceRefused
            | Self::KeysAgree
            | Self::KeysDiffer => Some(Seed::Authenticate),
            _ => None,
        }
    }

    /// A headline.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Connected => "the MME is connected to the home network",
            Self::Disconnected => "the connection to the home network is gone",
            Self::AttachBegins => "the device attaches with its PCID",
            Self::VectorsAsked => "the MME asks the ICF for authentication vectors",
            Self::CredentialFound => "the ICF has found the credential and generated a vector",
            Self::VectorsReceived => "the vector reaches the MME",
            Self::NetworkAuthenticated => "the USIM accepts the network's AUTN",
            Self::NetworkRefused => "the USIM refuses the network's AUTN",
            Self::SynchronisationFailure => "the USIM finds the sequence number not fresh",
            Self::DeviceAuthenticated => "the device's RES is the expected one",
            Self::DeviceRefused => "the device's RES is not the expected one",
            Self::KeysAgree => "device and MME have the same KASME",
            Self::KeysDiffer => "device and MME have different KASME",
            Self::LocationUpdateAsked => "the MME registers with the ICF as the serving node",
            Self::SubscriptionReceived => "the profile reaches the MME",
            Self::Attached => "the device is attached",
            Self::Refused => "the home network refuses",
            Self::LocationCancelled => "the home network cancels the registration",
            Self::ReattachRequired => "the device is to attach again at once",
            Self::SubscriberDataInserted => "the home network changes the profile",
            Self::SubscriberDataDeleted => "the home network withdraws parts of the profile",
            Self::Reset => "the home network has restarted",
            Self::Purged => "the MME has forgotten the device and says so",
            Self::Notified => "the MME notifies the home network",
        }
    }
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepEvent {
    /// What.
    pub step: Step,
    /// Which step of the initial attach that is, 1 to 5.
    pub seed: Option<Seed>,
    /// Whose device; none where it is about all.
    pub imsi: Option<Imsi>,
    /// A headline.
    pub title: String,
    /// What there is to say about it; no secrets.
    pub detail: String,
    /// The message that it was told by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wire: Option<WireSummary>,
}

impl std::fmt::Display for StepEvent {
    /// `[2] headline: detail`, without the wire.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.seed {
            Some(seed) => write!(f, "[{}] ", seed as u8)?,
            None => f.write_str("[ ] ")?,
        }
        f.write_str(&self.title)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        Ok(())
    }
}

/// Where events go. Nobody has to listen.
#[derive(Debug, Clone)]
pub(super) struct Events(Option<mpsc::UnboundedSender<StepEvent>>);

impl Events {
    pub(super) fn to(sender: Option<mpsc::UnboundedSender<StepEvent>>) -> Self {
        Self(sender)
    }

    pub(super) fn tell(
        &self,
        step: Step,
        imsi: Option<Imsi>,
        detail: impl Into<String>,
        wire: Option<WireSummary>,
    ) {
        let event = StepEvent {
            step,
            seed: step.seed(),
            imsi,
            title: step.title().into(),
            detail: detail.into(),
            wire,
        };
        tracing::debug!(step = ?step, imsi = ?event.imsi, detail = %event.detail, "step");
        if let Some(sender) = &self.0 {
            // Whoever does not listen any more does not want to know.
            let _ = sender.send(event);
        }
    }
}
