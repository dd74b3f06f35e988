//! Callhome's own ICF/AuC, over its REST API: `/v1/credentials`, scopes `credentials:read` and `credentials:write`.
//! APN, bit rates and addresses are those of the profile that the configuration names.

use async_trait::async_trait;
use axum::http::{Method, StatusCode};
use schemas::{
    identity::Imsi,
    rest::{Credential, CredentialPatch, CredentialState, IssuingMode, NewCredential, SecretHex},
    trust::ServerRole,
};
use service::client::{CallError, RoleClient};

use super::{Connector, ConnectorError, Subscriber, http::is_about_the_request, limits::Limits};
use crate::config::CallhomeConfig;

/// Digits of an MSISDN at most, ITU-T E.164.
const MSISDN: usize = 15;

/// See the module.
#[derive(Debug)]
pub struct Callhome {
    name: String,
    profile: String,
    client: RoleClient,
}

impl Callhome {
    /// Sets it up; nothing is sent yet.
    ///
    /// # Errors
    /// If URL, token or CA cannot be used.
    pub fn new(config: &CallhomeConfig) -> anyhow::Result<Self> {
        let client = RoleClient::new(ServerRole::Icf, &config.peer())?;
        Ok(Self { name: config.name.clone(), profile: config.profile.clone(), client })
    }

    async fn find(&self, imsi: Imsi) -> Result<Option<Credential>, ConnectorError> {
        match self.client.json::<(), Credential>(Method::GET, &path(imsi), None).await {
            Ok(credential) => Ok(Some(credential)),
            Err(error) if is_no_credential(&error) => Ok(None),
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// Changes a credential; `gone`: what is said if there is none.
    async fn patch(&self, imsi: Imsi, patch: &CredentialPatch, gone: Gone) -> Result<(), ConnectorError> {
        let path = path(imsi);
        match self.client.json::<_, Credential>(Method::PATCH, &path, Some(patch)).await {
            Ok(stored) => self.stored(&stored, imsi, patch.profile.as_deref(), patch.state),
            // It has gone since it was made: the next attempt makes it anew.
            Err(error) if is_no_credential(&error) && gone == Gone::Later => {
                Err(ConnectorError::Away(format!("connector {}: {error}", self.name)))
            }
            Err(error) if is_no_credential(&error) => Err(ConnectorError::Refused(format!(
                "connector {}: subscriber {imsi} is not there any more; somebody else has deleted it",
                self.name
            ))),
            // It is being changed by somebody else all the time.
            Err(error) if error.status() == Some(StatusCode::CONFLICT) => {
                Err(ConnectorError::Away(format!("connector {}: {error}", self.name)))
            }
            Err(error) => Err(self.failed(&error)),
        }
    }

    async fn delete(&self, imsi: Imsi) -> Result<(), ConnectorError> {
        match self.client.json::<(), ()>(Method::DELETE, &path(imsi), None).await {
            Ok(()) => Ok(()),
            Err(error) if is_no_credential(&error) => Ok(()),
            Err(error) if error.status() == Some(StatusCode::CONFLICT) => {
                Err(ConnectorError::Away(format!("connector {}: {error}", self.name)))
            }
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// Whether what the ICF says that it has is what it was sent.
    fn stored(
        &self,
        stored: &Credential,
        imsi: Imsi,
        profile: Option<&str>,
        state: Option<CredentialState>,
    ) -> Result<(), ConnectorError> {
        let field = if stored.imsi != imsi {
            "imsi"
        } else if profile.is_some_and(|profile| stored.profile != profile) {
            "profile"
        } else if state.is_some_and(|state| stored.state != state) {
            "state"
        } else {
            return Ok(());
        };
        Err(ConnectorError::Away(format!(
            "connector {}: subscriber {imsi}: the ICF answers another {field} than it was sent; is somebody else changing it?",
            self.name
        )))
    }

    /// A call's error names method, URL and problem; none of them holds a key.
    fn failed(&self, error: &CallError) -> ConnectorError {
        let text = format!("connector {}: {error}", self.name);
        if error.status().is_some_and(is_about_the_request) {
            ConnectorError::Refused(text)
        } else {
            ConnectorError::Away(text)
        }
    }
}

/// What a credential that is not there means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gone {
    /// The next attempt makes it.
    Later,
    /// Nobody makes it any more.
    ForGood,
}

/// Whether this is the ICF's word that it has no such credential, and not that of a proxy or of another path: what is
/// taken for deleted because a URL is wrong stays in use.
fn is_no_credential(error: &CallError) -> bool {
    match error {
        CallError::Refused { status: StatusCode::NOT_FOUND, problem } => {
            problem.detail.as_deref().is_some_and(|detail| detail.starts_with("there is no credential"))
        }
        _ => false,
    }
}

fn path(imsi: Imsi) -> String {
    format!("/v1/credentials/{imsi}")
}

#[async_trait]
impl Connector for Callhome {
    fn name(&self) -> &str {
        &self.name
    }

    async fn exists(&self, imsi: Imsi) -> Result<bool, ConnectorError> {
        Ok(self.find(imsi).await?.is_some())
    }

    /// A credential's keys cannot be changed there: it is deleted, and made anew. Its SEQs go on (TS 33.102 §C.1).
    async fn clear(&self, imsi: Imsi) -> Result<(), ConnectorError> {
        self.delete(imsi).await
    }

    async fn publish(&self, subscriber: &Subscriber) -> Result<(), ConnectorError> {
        let limits = Limits { connector: &self.name, hss: "the ICF" };
        let msisdn = subscriber.msisdn.as_deref().unwrap_or_default();
        limits.text("msisdn", msisdn, MSISDN, "publish shorter MSISDNs: the number ranges have them")?;
        let new = NewCredential {
            imsi: subscriber.imsi,
            profile: self.profile.clone(),
            k: Some(SecretHex::new(subscriber.keys.k.clone())),
            opc: Some(SecretHex::new(subscriber.keys.opc.clone())),
            op: None,
            pool: false,
            amf: hex::encode(subscriber.keys.amf),
            ind_bitlen: 5,
            sqn: None,
            expires_at: None,
            attach_budget: None,
            address: None,
            msisdn: subscriber.msisdn.clone(),
            overrides: schemas::subscription::Overrides::default(),
            mode: IssuingMode::Supplier,
        };
        match self.client.json::<_, Credential>(Method::POST, "/v1/credentials", Some(&new)).await {
            Ok(stored) => self.stored(&stored, subscriber.imsi, Some(&self.profile), None)?,
            // There is one: ours, of an attempt whose answer was lost (see the trait). No conflict is of another kind
            // here, as we assign no address.
            Err(error) if error.status() == Some(StatusCode::CONFLICT) => {
                let Some(found) = self.find(subscriber.imsi).await? else {
                    return Err(self.failed(&error));
                };
                if found.profile != self.profile || found.msisdn != subscriber.msisdn {
                    let patch = CredentialPatch {
                        profile: Some(self.profile.clone()),
                        msisdn: Some(subscriber.msisdn.clone()),
                        ..CredentialPatch::default()
                    };
                    self.patch(subscriber.imsi, &patch, Gone::Later).await?;
                }
            }
            Err(error) => return Err(self.failed(&error)),
        }
        if subscriber.usable {
            return Ok(());
        }
        let barred = CredentialPatch { state: Some(CredentialState::Blocked), ..CredentialPatch::default() };
        self.patch(subscriber.imsi, &barred, Gone::Later).await
    }

    async fn set_usable(&self, imsi: Imsi) -> Result<(), ConnectorError> {
        let usable = CredentialPatch { state: Some(CredentialState::Active), ..CredentialPatch::default() };
        self.patch(imsi, &usable, Gone::ForGood).await
    }

    async fn withdraw(&self, imsi: Imsi) -> Result<(), ConnectorError> {
        self.delete(imsi).await
    }
}
