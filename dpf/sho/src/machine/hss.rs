//! What the HSSs are told: before the answer, and when it is known how a session ended.

use std::sync::Arc;

use schemas::identity::Imsi;
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::{Sho, ShoError, Step};
use crate::{
    clock::milliseconds,
    connector::{Connector, ConnectorError, Subscriber},
    model::{NumberKind, Numbering, Session, State},
    policy::refusal,
    store::{
        StoreError, numbers,
        sessions::{self, Stage},
        subscriptions,
    },
};

/// What stopped a call to an HSS.
enum Stop {
    /// It did not do it.
    Connector(ConnectorError),
    /// The IMSI is somebody else's there.
    Taken,
    /// We failed.
    Ours(ShoError),
}

impl From<ConnectorError> for Stop {
    fn from(error: ConnectorError) -> Self {
        Self::Connector(error)
    }
}

impl<E: Into<ShoError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Ours(error.into())
    }
}

impl Sho {
    /// From composed to published, and on to answered unless the verdict has ended meanwhile.
    pub(super) async fn publish(self: &Arc<Self>, session: &Session) -> Result<Step, ShoError> {
        if !session.generated
            && let Some(step) = self.out_of_date(session).await?
        {
            return Ok(step);
        }
        let (imsi, ..) = self.allotted(session).await?;
        let _turn = self.numbers.take(imsi.to_string()).await;
        let mut done = Vec::with_capacity(self.connectors.len());
        for connector in &self.connectors {
            match self.publish_to(session, connector.as_ref()).await {
                Ok(()) => done.push(connector.name().to_owned()),
                Err(stop) => return self.not_published(session, imsi, done, connector.as_ref(), stop).await,
            }
        }
        let session = session.clone();
        let done = self.transact(async move |sho, tx| {
            reached(&mut *tx, session.id, &done, Stage::Done, sho.clock.now()).await?;
            if !sho.advance(&mut *tx, &session, State::Published).await? {
                return Ok(Step::Taken);
            }
            let published = Session { state: State::Published, ..session };
            if published.generated || sho.in_force(&published) {
                sho.authorise_in(tx, &published).await
            } else {
                Ok(Step::Taken)
            }
        });
        done.await
    }

    /// What becomes of a session that an HSS did not take; those in `done` have.
    async fn not_published(
        self: &Arc<Self>,
        session: &Session,
        imsi: Imsi,
        done: Vec<String>,
        connector: &dyn Connector,
        stop: Stop,
    ) -> Result<Step, ShoError> {
        let taken = matches!(stop, Stop::Taken);
        let (id, nothing) = (session.id, done.is_empty() && !taken);
        let noted = self.transact(async move |sho, tx| {
            reached(&mut *tx, id, &done, Stage::Done, sho.clock.now()).await?;
            if taken {
                numbers::retire(tx, NumberKind::Imsi, &imsi.to_string()).await?;
            }
            Ok(())
        });
        let error = match stop {
            Stop::Ours(error) => return Err(error),
            Stop::Taken => {
                noted.await?;
                tracing::error!(%imsi, connector = connector.name(), "the HSS has a subscriber with this IMSI already");
                let detail =
                    "the operator's HSS has somebody else under the IMSI; a new session gets another one";
                return self.refuse(session, refusal("number-taken", detail, true)).await;
            }
            Stop::Connector(error) => error,
        };
        if !nothing {
            noted.await?;
        }
        self.failed(connector, session.id, &error);
        if error.is_transient() {
            return Ok(Step::Wait("the operator's HSS does not answer".to_owned()));
        }
        let detail = "the operator's HSS refuses the subscription; the operator's log says why";
        self.refuse(session, refusal("hss-refuses", detail, true)).await
    }

    /// One HSS gets the subscription of a session; that it has is for the caller to note. What it has been told before a
    /// crash, it is told again.
    async fn publish_to(self: &Arc<Self>, session: &Session, connector: &dyn Connector) -> Result<(), Stop> {
        let (imsi, terms, keys) = self.allotted(session).await?;
        let mut stage = self.stage(session.id, connector).await?;
        if stage == Some(Stage::Done) {
            return Ok(());
        }
        let ours = session.numbering != Some(Numbering::New);
        if stage.is_none() {
            if !ours && connector.exists(imsi).await? {
                return Err(Stop::Taken);
            }
            stage = Some(self.reach(session.id, connector, Stage::Attempted).await?);
        }
        if session.numbering == Some(Numbering::Rekey) && stage == Some(Stage::Attempted) {
            connector.clear(imsi).await?;
            self.reach(session.id, connector, Stage::Cleared).await?;
        }
        let subscriber = Subscriber {
            imsi,
            msisdn: session.msisdn.clone(),
            keys,
            apn: self.apn(&terms),
            ambr: terms.ambr,
            pdn_type: terms.pdn_type,
            // A subscriber that is in use is not barred for an update.
            usable: ours || self.policy.attach_before_report,
        };
        Ok(connector.publish(&subscriber).await?)
    }

    async fn stage(&self, session: Uuid, connector: &dyn Connector) -> Result<Option<Stage>, ShoError> {
        let mut reader = self.store.db.readers.acquire().await?;
        Ok(sessions::stage(&mut reader, session, connector.name()).await?)
    }

    async fn reach(
        self: &Arc<Self>,
        session: Uuid,
        connector: &dyn Connector,
        stage: Stage,
    ) -> Result<Stage, ShoError> {
        let names = [connector.name().to_owned()];
        let done = self.transact(async move |sho, tx| {
            reached(tx, session, &names, stage, sho.clock.now()).await?;
            Ok(stage)
        });
        done.await
    }

    fn failed(&self, connector: &dyn Connector, session: Uuid, error: &ConnectorError) {
        self.metrics.connector_failures.with_label_values(&[connector.name()]).inc();
        tracing::warn!(%session, %error, "an HSS did not do it");
    }

    /// Tells the HSSs how a session ended, if they have not been told: from reported to closed, from withdrawing to
    /// withdrawn.
    ///
    /// # Errors
    /// If we fail.
    pub async fn settle(self: &Arc<Self>, id: Uuid) -> Result<Step, ShoError> {
        let _turn = self.sessions.take(id).await;
        let session = self.session(id).await?;
        let done = match session.state {
            State::Reported => self.keep(&session).await,
            State::Withdrawing => self.undo(&session).await,
            _ => return Ok(Step::Rest),
        };
        match done {
            Ok(()) => Ok(Step::Taken),
            Err(Stop::Ours(error)) => Err(error),
            Err(Stop::Taken) => Ok(Step::Wait("the IMSI is somebody else's".to_owned())),
            Err(Stop::Connector(error)) => Ok(Step::Wait(error.to_string())),
        }
    }

    /// The RNCP is installed: its subscription may be used, the one it replaces goes.
    async fn keep(self: &Arc<Self>, session: &Session) -> Result<(), Stop> {
        if let Some(imsi) = session.imsi {
            let _turn = self.numbers.take(imsi.to_string()).await;
            let barred = session.numbering == Some(Numbering::New) && !self.policy.attach_before_report;
            for connector in self.connectors.iter().filter(|_| barred) {
                let done = connector.set_usable(imsi).await;
                done.inspect_err(|error| self.failed(connector.as_ref(), session.id, error))?;
            }
        }
        let mut _turn = None;
        if let Some(old) = session.replaces_imsi {
            _turn = Some(self.numbers.take(old.to_string()).await);
            self.withdraw_everywhere(session, old).await?;
        }
        let session = session.clone();
        let done = self.transact(async move |sho, tx| {
            if let Some(old) = session.replaces_imsi {
                let gone = subscriptions::find(&mut *tx, old).await?;
                subscriptions::withdraw(&mut *tx, old, sho.clock.now()).await?;
                numbers::retire(&mut *tx, NumberKind::Imsi, &old.to_string()).await?;
                if let Some(msisdn) = gone.and_then(|gone| gone.msisdn) {
                    numbers::retire(&mut *tx, NumberKind::Msisdn, &msisdn).await?;
                }
            }
            sho.advance(tx, &session, State::Closed).await
        });
        done.await?;
        Ok(())
    }

    async fn withdraw_everywhere(&self, session: &Session, imsi: Imsi) -> Result<(), Stop> {
        for connector in &self.connectors {
            let done = connector.withdraw(imsi).await;
            done.inspect_err(|error| self.failed(connector.as_ref(), session.id, error))?;
        }
        Ok(())
    }

    /// It came to nothing: what the HSSs were told is taken back; its numbers rest, or go out of use if the device may
    /// have them.
    async fn undo(self: &Arc<Self>, session: &Session) -> Result<(), Stop> {
        if let Some(imsi) = session.imsi {
            let _turn = self.numbers.take(imsi.to_string()).await;
            for connector in &self.connectors {
                let undone = self.undo_at(session, imsi, connector.as_ref()).await;
                if let Err(Stop::Connector(error)) = &undone {
                    self.failed(connector.as_ref(), session.id, error);
                }
                undone?;
            }
        }
        let session = session.clone();
        let done = self.transact(async move |sho, tx| {
            if !sho.advance(&mut *tx, &session, State::Withdrawn).await? {
                return Ok(());
            }
            let now = sho.clock.now();
            let free_at = now.saturating_add(milliseconds(sho.policy.quarantine.0));
            numbers::give_back(&mut *tx, session.id, (!session.spent).then_some(free_at)).await?;
            if let (Some(imsi), Some(Numbering::New)) = (session.imsi, session.numbering) {
                subscriptions::withdraw(&mut *tx, imsi, now).await?;
            }
            sessions::forget(&mut *tx, session.id).await?;
            sho.note(tx, &session, "provisioning.withdraw", "done").await
        });
        Ok(done.await?)
    }

    async fn undo_at(
        self: &Arc<Self>,
        session: &Session,
        imsi: Imsi,
        connector: &dyn Connector,
    ) -> Result<(), Stop> {
        let stage = self.stage(session.id, connector).await?;
        let Some(stage) = stage.filter(|stage| *stage != Stage::Undone) else { return Ok(()) };
        if session.numbering == Some(Numbering::New) {
            connector.withdraw(imsi).await?;
        } else if let Some(before) = self.restorable(session, imsi, connector).await? {
            if session.numbering == Some(Numbering::Rekey) && stage != Stage::Restoring {
                connector.clear(imsi).await?;
                self.reach(session.id, connector, Stage::Restoring).await?;
            }
            connector.publish(&before).await?;
        }
        self.reach(session.id, connector, Stage::Undone).await?;
        Ok(())
    }

    /// The subscription as it was before this session; `None` if a later session has taken it over.
    async fn restorable(
        &self,
        session: &Session,
        imsi: Imsi,
        connector: &dyn Connector,
    ) -> Result<Option<Subscriber>, ShoError> {
        let Some(previous) = session.previous else { return Ok(None) };
        let mut reader = self.store.db.readers.acquire().await?;
        if sessions::overtaken(&mut reader, session, imsi, connector.name()).await? {
            return Ok(None);
        }
        let keys = sessions::keys(&mut reader, &self.store.keyring, previous).await?;
        let before = sessions::find(&mut reader, previous).await?;
        let (Some(keys), Some(before)) = (keys, before) else {
            tracing::error!(%imsi, "the keys from before are not here any more: the HSS keeps the new ones");
            return Ok(None);
        };
        let terms = before.terms.ok_or_else(|| StoreError::Damaged("a session without terms".into()))?;
        Ok(Some(Subscriber {
            imsi,
            msisdn: before.msisdn,
            keys,
            apn: self.apn(&terms),
            ambr: terms.ambr,
            pdn_type: terms.pdn_type,
            usable: true,
        }))
    }
}

/// Notes how far a session is at these HSSs.
async fn reached(
    tx: &mut SqliteConnection,
    session: Uuid,
    connectors: &[String],
    stage: Stage,
    now: i64,
) -> Result<(), StoreError> {
    for connector in connectors {
        sessions::set_stage(&mut *tx, session, connector, stage, now).await?;
    }
    Ok(())
}
