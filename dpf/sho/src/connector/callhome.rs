//! Callhome's own ICF/AuC, over its REST API: `/v1/credentials`, scopes `credentials:read` and `credentials:write`.
//! APN, bit rates and addresses are those of the profile that the configuration names.

use async_trait::async_trait;
use axum::http::{Method, StatusCode};
use schemas::{
    identity::Imsi,
    rest::{Credential, CredentialPatch, CredentialState, IssuingMode, NewCredential, SecretHex},
};
use service::client::{CallError, RoleClient};

use super::{Connector, ConnectorError, Subscriber};
use crate::config::CallhomeConfig;

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
        let client = RoleClient::new(&config.peer())?;
        Ok(Self { name: config.name.clone(), profile: config.profile.clone(), client })
    }

    async fn find(&self, imsi: Imsi) -> Result<Option<Credential>, ConnectorError> {
        match self.client.json::<(), Credential>(Method::GET, &path(imsi), None).await {
            Ok(credential) => Ok(Some(credential)),
            Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => Ok(None),
            Err(error) => Err(self.failed(&error)),
        }
    }

    async fn patch(&self, imsi: Imsi, patch: &CredentialPatch) -> Result<(), ConnectorError> {
        let path = path(imsi);
        let call = self.client.json::<_, Credential>(Method::PATCH, &path, Some(patch));
        call.await.map(drop).map_err(|error| self.failed(&error))
    }

    async fn delete(&self, imsi: Imsi) -> Result<(), ConnectorError> {
        match self.client.json::<(), ()>(Method::DELETE, &path(imsi), None).await {
            Ok(()) => Ok(()),
            Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => Ok(()),
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// A call's error names method, URL and problem; none of them holds a key.
    fn failed(&self, error: &CallError) -> ConnectorError {
        let text = format!("connector {}: {error}", self.name);
        match error {
            // 401 and 403 are put right there or here, and then it goes on.
            CallError::Refused { status, .. }
                if !error.is_transient()
                    && ![StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(status) =>
            {
                ConnectorError::Refused(text)
            }
            _ => ConnectorError::Away(text),
        }
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
            Ok(_) => {}
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
                    self.patch(subscriber.imsi, &patch).await?;
                }
            }
            Err(error) => return Err(self.failed(&error)),
        }
        if subscriber.usable {
            return Ok(());
        }
        let barred = CredentialPatch { state: Some(CredentialState::Blocked), ..CredentialPatch::default() };
        self.patch(subscriber.imsi, &barred).await
    }

    async fn set_usable(&self, imsi: Imsi) -> Result<(), ConnectorError> {
        let usable = CredentialPatch { state: Some(CredentialState::Active), ..CredentialPatch::default() };
        self.patch(imsi, &usable).await
    }

    async fn withdraw(&self, imsi: Imsi) -> Result<(), ConnectorError> {
        self.delete(imsi).await
    }
}
