//! What happens, step by step, for a person or a program to follow; as `access::s6a` does for the attach.

use std::{fmt, time::Duration};

use schemas::identity::Pcid;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// What has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The DRF was told where the device is, or asked for the RNCT (non-3GPP).
    DrfAsked,
    /// An RNCT has come and is taken.
    TriggerTaken,
    /// An RNCT has come and is refused.
    TriggerRefused,
    /// The first or a new platform certificate is here.
    Certified,
    /// The DPF has opened a session.
    SessionOpened,
    /// Evidence has gone to the DPF.
    EvidenceSent,
    /// The operator has decided; how long it took is here.
    OperatorAnswered,
    /// The manifest has come, and is good.
    ManifestReceived,
    /// Which parts travel is agreed on.
    PartsAgreed,
    /// A part has come.
    PartReceived,
    /// A download was cut; it goes on where it was.
    DownloadCut,
    /// The RNCP is installed and activated.
    Installed,
    /// It is not, and the device is as before.
    Failed,
    /// The operator or the DPF refused.
    Refused,
    /// The report is accepted.
    Reported,
    /// The other side cannot be reached or has no answer yet; the device tries again.
    Retrying,
}

impl Step {
    /// Which of the architecture's nineteen steps (its section 5) it is; none for what has no number, or happens elsewhere.
    #[must_use]
    pub fn seed(self) -> Option<u8> {
        match self {
            Self::TriggerTaken | Self::TriggerRefused => Some(8),
            Self::SessionOpened | Self::EvidenceSent => Some(9),
            Self::ManifestReceived | Self::PartsAgreed | Self::PartReceived | Self::DownloadCut => Some(16),
            Self::Installed | Self::Failed => Some(17),
            Self::Reported => Some(18),
            Self::DrfAsked | Self::Certified | Self::OperatorAnswered | Self::Refused | Self::Retrying => {
                None
            }
        }
    }

    /// A headline.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::DrfAsked => "the device says to the DRF where it is",
            Self::TriggerTaken => "the RNCT reaches the device",
            Self::TriggerRefused => "the device refuses an RNCT",
            Self::Certified => "the device has its platform certificate",
            Self::SessionOpened => "the device opens a session at the DPF",
            Self::EvidenceSent => "the device sends its evidence",
            Self::OperatorAnswered => "the operator has decided",
            Self::ManifestReceived => "the RNCP's manifest reaches the device",
            Self::PartsAgreed => "device and DPF agree on the parts that travel",
            Self::PartReceived => "a part reaches the device",
            Self::DownloadCut => "the download was cut and goes on",
            Self::Installed => "the TRE has decrypted, installed and activated the RNCP",
            Self::Failed => "the device cannot install the RNCP and is as before",
            Self::Refused => "the provisioning is refused",
            Self::Reported => "the device has reported",
            Self::Retrying => "the device tries again",
        }
    }
}

/// A request and its answer, as they were on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// Such as `HTTP/2 over TLS 1.3`.
    pub protocol: String,
    /// Such as `POST /device/v1/sessions`.
    pub request: String,
    /// Such as `201 Created`.
    pub answer: String,
    /// Octets of the request's body.
    pub sent: u64,
    /// Octets of the answer's body.
    pub received: u64,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvisionEvent {
    /// What.
    pub step: Step,
    /// Which of the nineteen steps that is.
    pub seed: Option<u8>,
    /// Whose device.
    pub pcid: Pcid,
    /// A headline.
    pub title: String,
    /// What there is to say about it; no secrets.
    pub detail: String,
    /// How long it took.
    pub took: Duration,
    /// What was on the wire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wire: Option<Exchange>,
}

impl fmt::Display for ProvisionEvent {
    /// `[8] headline: detail`, without the wire.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seed {
            Some(seed) => write!(f, "[{seed}] ")?,
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
#[derive(Debug, Clone, Default)]
pub struct Events(Option<mpsc::UnboundedSender<ProvisionEvent>>);

impl Events {
    /// Nowhere.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// To a listener.
    #[must_use]
    pub fn to(sender: mpsc::UnboundedSender<ProvisionEvent>) -> Self {
        Self(Some(sender))
    }

    pub(crate) fn tell(
        &self,
        step: Step,
        pcid: Pcid,
        detail: impl Into<String>,
        took: Duration,
        wire: Option<Exchange>,
    ) {
        let detail = detail.into();
        tracing::debug!(?step, %pcid, detail, "step");
        if let Some(sender) = &self.0 {
            let (seed, title) = (step.seed(), step.title().to_owned());
            // Whoever does not listen any more does not want to know.
            let _ = sender.send(ProvisionEvent { step, seed, pcid, title, detail, took, wire });
        }
    }
}
