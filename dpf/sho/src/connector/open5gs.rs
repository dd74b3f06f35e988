//! Open5GS 2.7, over its MongoDB: a document of the collection `subscribers` for each subscriber, with the fields that
//! its WebUI writes (`webui/server/models/subscriber.js`) in the types that its HSS reads (`lib/dbi/subscription.c`).
//!
//! Our documents have a mark, the sub-document `callhome`; what has neither it nor our K and OPc is somebody else's and
//! stays as it is. Open5GS hands `subscriber_status` on to the MME, and its own MME does not look at it: who must not
//! attach yet has its keys under `callhome`, and no `security`, so that its HSS answers DIAMETER_ERROR_USER_UNKNOWN
//! (TS 29.272 §7.4.3.1).

mod document;
mod link;

use async_trait::async_trait;
use mongodb::bson::{Document, doc};
use schemas::identity::Imsi;

use self::{
    document::{Mark, Whose},
    link::Link,
};
use super::{Connector, ConnectorError, Subscriber, limits::Limits};
use crate::config::Open5gsConfig;

/// Digits of an MSISDN (`OGS_MAX_MSISDN_BCD_LEN`) and octets of a DNN (`OGS_MAX_DNN_LEN`) in Open5GS.
const MSISDN: usize = 15;
const APN: usize = 100;

/// See the module.
#[derive(Debug)]
pub struct Open5gs {
    name: String,
    mark: Mark,
    link: Link,
}

impl Open5gs {
    /// Sets it up; nothing is sent yet.
    ///
    /// # Errors
    /// If URL, password or CA cannot be used.
    pub fn new(config: &Open5gsConfig) -> anyhow::Result<Self> {
        let (name, mark) = (config.name.clone(), Mark(config.mark.clone()));
        Ok(Self { name, mark, link: Link::new(config)? })
    }

    /// The document of an IMSI. The fragment of a document that the HSS makes of what an MME says of a subscriber that
    /// it does not have (`MONGOC_UPDATE_UPSERT` in `ogs_dbi_update_mme`) is found as well.
    async fn find(&self, imsi: Imsi) -> Result<Option<Document>, ConnectorError> {
        self.link.find(doc! {"imsi": imsi.to_string()}).await
    }

    fn somebody_elses(&self, imsi: Imsi) -> ConnectorError {
        ConnectorError::Refused(format!(
            "connector {}: subscriber {imsi} is there, and is not ours: it has neither the mark {:?} nor these keys; \
             take it out, or the IMSI out of the number ranges",
            self.name, self.mark.0
        ))
    }

    /// Changes the document that was found, unless it has become another one in the meantime.
    async fn change(&self, found: &Document, update: Document) -> Result<(), ConnectorError> {
        let filter = document::same(found);
        if self.link.update(filter, update).await? {
            return Ok(());
        }
        Err(ConnectorError::Away(format!(
            "connector {}: a subscriber was changed by somebody else at the same time",
            self.name
        )))
    }
}

#[async_trait]
impl Connector for Open5gs {
    fn name(&self) -> &str {
        &self.name
    }

    async fn exists(&self, imsi: Imsi) -> Result<bool, ConnectorError> {
        let found = self.find(imsi).await?;
        Ok(found.is_some_and(|found| self.mark.whose(&found, None) != Whose::Nobodys))
    }

    /// Keys are changed in place.
    async fn clear(&self, _: Imsi) -> Result<(), ConnectorError> {
        Ok(())
    }

    async fn publish(&self, subscriber: &Subscriber) -> Result<(), ConnectorError> {
        let limits = Limits { connector: &self.name, hss: "Open5GS" };
        let msisdn = subscriber.msisdn.as_deref().unwrap_or_default();
        limits.text("msisdn", msisdn, MSISDN, "publish shorter MSISDNs: the number ranges have them")?;
        limits.text("apn", &subscriber.apn, APN, "give the contract's terms a shorter `apn`")?;
        let Some(mut found) = self.find(subscriber.imsi).await? else {
            let mut new = self.mark.new_document(subscriber);
            let inserted = self.link.insert(&new).await;
            document::wipe(&mut new);
            return inserted;
        };
        let whose = self.mark.whose(&found, Some(&subscriber.keys));
        let done = if whose == Whose::Others {
            Err(self.somebody_elses(subscriber.imsi))
        } else {
            self.change(&found, self.mark.update(&found, subscriber)).await
        };
        document::wipe(&mut found);
        done
    }

    async fn set_usable(&self, imsi: Imsi) -> Result<(), ConnectorError> {
        let Some(mut found) = self.find(imsi).await? else {
            return Err(ConnectorError::Refused(format!(
                "connector {}: subscriber {imsi} is not there any more; somebody else has deleted it",
                self.name
            )));
        };
        let done = match (self.mark.whose(&found, None), document::release(&found)) {
            (Whose::Ours, Some(update)) => self.change(&found, update).await,
            // It may be used already; a barring by its operator is not ours to lift.
            (Whose::Ours, None) => Ok(()),
            _ => Err(self.somebody_elses(imsi)),
        };
        document::wipe(&mut found);
        done
    }

    async fn withdraw(&self, imsi: Imsi) -> Result<(), ConnectorError> {
        let Some(mut found) = self.find(imsi).await? else { return Ok(()) };
        let done = match self.mark.whose(&found, None) {
            Whose::Ours => self.link.delete(document::same(&found)).await,
            Whose::Nobodys => Ok(()),
            Whose::Others => {
                tracing::warn!(%imsi, connector = self.name, "the subscriber to be withdrawn is not ours: it stays");
                Ok(())
            }
        };
        document::wipe(&mut found);
        done
    }
}
