//! Non-3GPP access (seed, "Network Interactions … in case of Non-3GPP Access"): the device has an IP connection by WLAN or
//! DSL, so there is no ICF and no attach; it goes straight to the DRF.

use std::time::Instant;

use reqwest::{Method, StatusCode};
use schemas::{
    identity::Pcid,
    rest::provisioning::{Hello, RnctAnswer},
    trust::ServerRole,
};

use crate::{
    provision::{CallError, ClientError, DeviceClient, Events, Step, Taken, TriggerError, on_disk},
    tre::{Tre, now},
};

/// There is no RNCT by this way.
#[derive(Debug, thiserror::Error)]
pub enum DrfError {
    /// The device cannot be a client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The DRF cannot be reached, or is out of order.
    #[error("the DRF at {url}: {why}; try again later")]
    Unavailable {
        /// Where.
        url: String,
        /// What is out of order.
        why: String,
    },
    /// The DRF says no.
    #[error("the DRF at {url} refuses {pcid}: {why}")]
    Refused {
        /// Where.
        url: String,
        /// Whom.
        pcid: Pcid,
        /// What it says.
        why: String,
    },
    /// The RNCT is not taken.
    #[error("the RNCT: {0}")]
    Trigger(#[from] TriggerError),
}

/// The DRF, as a device that is online reaches it.
#[derive(Debug)]
pub struct Drf {
    tre: Tre,
    client: DeviceClient,
    url: String,
    events: Events,
}

impl Drf {
    /// The DRF at `url`, `https://…`, for this device.
    ///
    /// # Errors
    /// If the device has neither a platform certificate nor a triple.
    pub async fn new(tre: &Tre, url: &str, events: Events) -> Result<Self, DrfError> {
        let client = DeviceClient::new(tre, ServerRole::Drf, url).await?;
        Ok(Self { tre: tre.clone(), client, url: url.to_owned(), events })
    }

    /// The DRF that the call-home triple names; `None` if the device has no triple.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub async fn of_triple(tre: &Tre, events: Events) -> Result<Option<Self>, DrfError> {
        match tre.triple().map(|triple| triple.url.clone()) {
            Some(url) => Self::new(tre, &url, events).await.map(Some),
            None => Ok(None),
        }
    }

    /// Step 6 in non-3GPP access: says where the device is, and takes the RNCT that is answered. With `coap_port` the DRF
    /// may send later ones there.
    ///
    /// # Errors
    /// The DRF does not answer or refuses, or its RNCT is not good.
    pub async fn hello(&self, coap_port: Option<u16>) -> Result<Taken, DrfError> {
        let since = Instant::now();
        let hello = Hello { pcid: self.tre.pcid(), device_id: self.tre.device_id().clone(), coap_port };
        let content = crate::provision::Content::json(&hello).map_err(|error| self.call(error))?;
        let answer = self.client.call(Method::POST, "/device/v1/hello", Some(content)).await;
        let answer = answer.map_err(|error| self.call(error))?;
        let rnct: RnctAnswer = answer.json().map_err(|error| self.call(error))?;
        self.events.tell(
            Step::DrfAsked,
            self.tre.pcid(),
            format!("at {}", self.url),
            since.elapsed(),
            Some(answer.wire),
        );
        self.take(rnct.rnct.0).await
    }

    /// Asks for the RNCT that the DRF has for this device; `None` if it has none.
    ///
    /// # Errors
    /// As [`hello`](Self::hello).
    pub async fn rnct(&self) -> Result<Option<Taken>, DrfError> {
        let since = Instant::now();
        let path = format!("/device/v1/rnct?pcid={}", self.tre.pcid());
        match self.client.call(Method::GET, &path, None).await {
            Err(CallError::Refused { status: StatusCode::NOT_FOUND, .. }) => Ok(None),
            Err(error) => Err(self.call(error)),
            Ok(answer) => {
                let detail = format!("at {}", self.url);
                let wire = Some(answer.wire);
                self.events.tell(Step::DrfAsked, self.tre.pcid(), detail, since.elapsed(), wire);
                self.take(answer.body.to_vec()).await.map(Some)
            }
        }
    }

    async fn take(&self, signed: Vec<u8>) -> Result<Taken, DrfError> {
        let since = Instant::now();
        let taken = on_disk(&self.tre, move |tre| Ok(tre.take_rnct(&signed, now()))).await;
        let taken = taken.unwrap_or_else(|error| Err(TriggerError::Device(error)));
        let (step, detail) = match &taken {
            Ok(taken) => {
                let rnct = taken.rnct();
                let detail =
                    format!("operator {}, DPF {}, sequence {}", rnct.operator, rnct.dpf, rnct.sequence);
                (Step::TriggerTaken, detail)
            }
            Err(error) => (Step::TriggerRefused, error.to_string()),
        };
        self.events.tell(step, self.tre.pcid(), detail, since.elapsed(), None);
        Ok(taken?)
    }

    fn call(&self, error: CallError) -> DrfError {
        let url = self.url.clone();
        match error {
            CallError::Transient { why, .. } => DrfError::Unavailable { url, why },
            CallError::Refused { refusal, .. } => {
                DrfError::Refused { url, pcid: self.tre.pcid(), why: refusal.detail }
            }
        }
    }
}
