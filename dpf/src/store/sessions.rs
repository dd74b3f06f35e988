//! Sessions. One input is one transaction: the state, its history, the audit log and the messages that follow from it.

use std::time::Duration;

use schemas::{
    identity::{OperatorId, Pcid},
    octets::Octets,
    rest::provisioning::{OpenSession, Provisioned, ProvisioningReport, ProvisioningResult, SessionState},
};
use serde::{Deserialize, Serialize};
use service::{
    api::audit,
    database::{ReadablePage, readable, readable_rows},
    outbox::{Message, enqueue},
};
use sqlx::{Row, SqliteConnection};
use uuid::Uuid;

use super::{Full, Most, REGISTRY, Store, StoreError, parts, room::has_room, rows};
use crate::{
    machine::{Effect, State, Step, step},
    model::{Applied, Checked, Input, Session, instant, refusal},
};

/// How long a message about an end is tried.
const TOLD_FOR: Duration = Duration::from_secs(30 * 86_400);

/// The topic of messages to an operator.
#[must_use]
pub fn operator_topic(operator: &OperatorId) -> String {
    format!("operator:{operator}")
}

/// What the DRF is told, and of whom.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ToRegistry {
    pub(crate) pcid: Pcid,
    pub(crate) provisioned: Provisioned,
}

/// A session that is to be opened.
#[derive(Debug, Clone)]
pub struct Opening<'a> {
    /// What the device said.
    pub request: &'a OpenSession,
    /// The PVA's nonce.
    pub nonce: &'a [u8],
    /// The certificate of the connection, DER.
    pub certified: Option<&'a [u8]>,
    /// Milliseconds since 1970 UTC.
    pub expires_at: i64,
    /// How many its device may have.
    pub most: Most,
}

/// Which sessions are listed.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this operator alone.
    pub operator: Option<OperatorId>,
    /// In one of these states.
    pub state: Option<SessionState>,
    /// Of this PCID.
    pub pcid: Option<Pcid>,
    /// Opened before this one.
    pub before: Option<Uuid>,
}

/// One line of a session's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepRow {
    /// Milliseconds since 1970 UTC.
    pub at: i64,
    /// What happened.
    pub step: String,
    /// The state afterwards.
    pub state: State,
    /// More.
    pub detail: Option<String>,
}

impl Store {
    /// The session of a device's trigger.
    ///
    /// # Errors
    /// The database's.
    pub async fn of_trigger(&self, request: &OpenSession) -> Result<Option<Session>, StoreError> {
        let row = sqlx::query(rows::select(
            "WHERE trigger_id = ?1 AND pcid = ?2 AND device_id = ?3 AND tre_id = ?4",
        ))
        .bind(request.trigger.to_string())
        .bind(request.pcid.to_string())
        .bind(request.device_id.as_str())
        .bind(request.tre_id.as_str())
        .fetch_optional(&self.database().readers)
        .await?;
        row.as_ref().map(rows::session).transpose()
    }

    /// Step 9: opens a session, unless this device's trigger has one; `true` if it is new. Or the device has too many.
    ///
    /// # Errors
    /// The database's.
    pub async fn open_session(
        &self,
        opening: &Opening<'_>,
        now: i64,
    ) -> Result<Result<(Session, bool), Full>, StoreError> {
        let Opening { request, nonce, certified, expires_at, most } = *opening;
        let (request, nonce) = (request.clone(), nonce.to_vec());
        let certified = certified.map(<[u8]>::to_vec);
        let opened = self.db.transact(async move |tx| {
            let room = has_room(&mut *tx, &request, certified.is_some(), most, now).await?;
            let new = room.is_ok()
                && sqlx::query(
                    "INSERT INTO session (id, trigger_id, pcid, device_id, tre_id, kind, operator, state, nonce, \
                     certified, created_at, entered_at, expires_at) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'opened', ?8, ?9, ?10, ?10, ?11) \
                     ON CONFLICT (trigger_id, pcid, device_id, tre_id) DO NOTHING",
                )
                .bind(Uuid::now_v7().to_string())
                .bind(request.trigger.to_string())
                .bind(request.pcid.to_string())
                .bind(request.device_id.as_str())
                .bind(request.tre_id.as_str())
                .bind(rows::word(&request.kind)?)
                .bind(request.operator.as_str())
                .bind(nonce)
                .bind(certified)
                .bind(now)
                .bind(expires_at)
                .execute(&mut *tx)
                .await?
                .rows_affected()
                    == 1;
            let row = sqlx::query(rows::select(
                "WHERE trigger_id = ?1 AND pcid = ?2 AND device_id = ?3 AND tre_id = ?4",
            ))
            .bind(request.trigger.to_string())
            .bind(request.pcid.to_string())
            .bind(request.device_id.as_str())
            .bind(request.tre_id.as_str())
            .fetch_optional(&mut *tx)
            .await?;
            let session = match (row, room) {
                (Some(row), _) => rows::session(&row)?,
                (None, Err(full)) => return Ok(Err(full)),
                (None, Ok(())) => return Err(StoreError::Damaged("session")),
            };
            if new {
                history(tx, &session, "opened", None, now).await?;
            }
            Ok(Ok((session, new)))
        });
        opened.await
    }

    /// A session.
    ///
    /// # Errors
    /// The database's.
    pub async fn session(&self, id: Uuid) -> Result<Option<Session>, StoreError> {
        let row = sqlx::query(rows::select("WHERE id = ?1"))
            .bind(id.to_string())
            .fetch_optional(&self.database().readers)
            .await?;
        row.as_ref().map(rows::session).transpose()
    }

    /// Puts something into a session. `None`: there is no such session.
    ///
    /// # Errors
    /// The database's.
    pub async fn apply(&self, id: Uuid, input: &Input, now: i64) -> Result<Option<Applied>, StoreError> {
        let input = input.clone();
        self.db.transact(async move |tx| apply(tx, id, &input, now).await).await
    }

    /// The evidence, as long as it may be needed.
    ///
    /// # Errors
    /// The database's.
    pub async fn evidence(&self, id: Uuid) -> Result<Option<Vec<u8>>, StoreError> {
        self.octets("SELECT evidence FROM session WHERE id = ?1", id).await
    }

    /// The signed manifest.
    ///
    /// # Errors
    /// The database's.
    pub async fn manifest(&self, id: Uuid) -> Result<Option<Vec<u8>>, StoreError> {
        self.octets("SELECT manifest FROM session WHERE id = ?1", id).await
    }

    /// What the operator is to be told of an RNCP that was made for it, JSON.
    ///
    /// # Errors
    /// The database's.
    pub async fn generated(&self, id: Uuid) -> Result<Option<Vec<u8>>, StoreError> {
        self.octets("SELECT generated FROM session WHERE id = ?1", id).await
    }

    async fn octets(&self, query: &'static str, id: Uuid) -> Result<Option<Vec<u8>>, StoreError> {
        let row: Option<(Option<Vec<u8>>,)> =
            sqlx::query_as(query).bind(id.to_string()).fetch_optional(&self.database().readers).await?;
        Ok(row.and_then(|(octets,)| octets))
    }

    /// Sessions that the DPF has to drive, those that wait longest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn driven(&self) -> Result<Vec<Session>, StoreError> {
        let rows = sqlx::query(rows::select(
            "WHERE state IN ('relaying', 'generating', 'validating') ORDER BY entered_at",
        ))
        .fetch_all(&self.database().readers)
        .await?;
        Ok(readable_rows("a session", "id", &rows, rows::session))
    }

    /// Open sessions whose time is over, `limit` of them but for the first `skip`.
    ///
    /// # Errors
    /// The database's.
    pub async fn overdue(&self, now: i64, skip: u32, limit: u32) -> Result<Vec<Uuid>, StoreError> {
        let rows = sqlx::query(
            "SELECT id FROM session WHERE expires_at <= ?1 AND state IN ('opened', 'relaying', 'generating', \
             'authorised', 'validating', 'downloading') ORDER BY expires_at, id LIMIT ?2 OFFSET ?3",
        )
        .bind(now)
        .bind(limit)
        .bind(skip)
        .fetch_all(&self.database().readers)
        .await?;
        Ok(readable_rows("a session", "id", &rows, |row| rows::parsed::<Uuid>(row, "id", "session")))
    }

    /// Sessions, newest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn list(&self, filter: &Filter, limit: u32) -> Result<Vec<Session>, StoreError> {
        // A state that is shown may be several of ours; the list of them is JSON.
        let states = filter.state.map(|shown| {
            let ours = State::ALL.into_iter().filter(|state| state.shown() == shown);
            serde_json::Value::from_iter(ours.map(State::as_str)).to_string()
        });
        let before = filter.before.map(|id| id.to_string());
        let mut page = ReadablePage::new("a session", "id", before, limit);
        while let Some((before, limit)) = page.wanted() {
            let rows = sqlx::query(rows::select(
                "WHERE (?1 IS NULL OR operator = ?1) AND (?2 IS NULL OR state IN (SELECT value FROM json_each(?2))) \
                 AND (?3 IS NULL OR pcid = ?3) AND (?4 IS NULL OR id < ?4) ORDER BY id DESC LIMIT ?5",
            ))
            .bind(filter.operator.as_ref().map(OperatorId::as_str))
            .bind(&states)
            .bind(filter.pcid.map(|pcid| pcid.to_string()))
            .bind(before)
            .bind(limit)
            .fetch_all(&self.database().readers)
            .await?;
            page.add(&rows, rows::session, |row| row.try_get("id").map(Some))?;
        }
        Ok(page.items())
    }

    /// What happened to a session, in order.
    ///
    /// # Errors
    /// The database's.
    pub async fn steps(&self, id: Uuid) -> Result<Vec<StepRow>, StoreError> {
        let rows =
            sqlx::query("SELECT session, at, step, state, detail FROM step WHERE session = ?1 ORDER BY id")
                .bind(id.to_string())
                .fetch_all(&self.database().readers)
                .await?;
        let line = |row: &sqlx::sqlite::SqliteRow| {
            let state: String = row.try_get("state")?;
            Ok::<_, StoreError>(StepRow {
                at: row.try_get("at")?,
                step: row.try_get("step")?,
                state: State::of(&state).ok_or(StoreError::Damaged("step"))?,
                detail: row.try_get("detail")?,
            })
        };
        Ok(readable_rows("a step of a session", "session", &rows, line))
    }

    /// Notes that somebody is waited for, in history and audit log.
    ///
    /// # Errors
    /// The database's.
    pub async fn waits(&self, session: &Session, why: &str, now: i64) -> Result<(), StoreError> {
        let (session, why) = (session.clone(), why.to_owned());
        let done = self.db.transact(async move |tx| {
            history(&mut *tx, &session, "waiting", Some(&why), now).await?;
            Ok(audit(tx, ["dpf", "sessions.wait", &target(&session), &why], now).await?)
        });
        done.await
    }

    /// How many sessions there are in each state.
    ///
    /// # Errors
    /// The database's.
    pub async fn counts(&self) -> Result<Vec<(State, i64)>, StoreError> {
        let rows: Vec<(String, i64)> = sqlx::query_as("SELECT state, count(*) FROM session GROUP BY state")
            .fetch_all(&self.database().readers)
            .await?;
        let counted = |(state, count): (String, i64)| {
            State::of(&state).map(|state| (state, count)).ok_or(StoreError::Damaged("session"))
        };
        Ok(readable("a state of sessions", rows.into_iter().map(counted)))
    }

    /// Whether the operator has an RNCP in the field for this PCID.
    ///
    /// # Errors
    /// The database's.
    pub async fn has_installed(&self, operator: &OperatorId, pcid: Pcid) -> Result<bool, StoreError> {
        let (found,): (bool,) = sqlx::query_as(
            "SELECT EXISTS (SELECT 1 FROM session WHERE pcid = ?1 AND operator = ?2 AND result = 'installed')",
        )
        .bind(pcid.to_string())
        .bind(operator.as_str())
        .fetch_one(&self.database().readers)
        .await?;
        Ok(found)
    }

    /// The RNCP of this operator that this platform installed last.
    ///
    /// # Errors
    /// The database's.
    pub async fn last_installed(&self, session: &Session) -> Result<Option<Uuid>, StoreError> {
        let row: Option<(String,)> = sqlx::query_as(
            "SELECT rncp FROM session WHERE pcid = ?1 AND operator = ?2 AND device_id = ?3 AND tre_id = ?4 \
             AND result = 'installed' AND rncp IS NOT NULL ORDER BY id DESC LIMIT 1",
        )
        .bind(session.pcid.to_string())
        .bind(session.operator.as_str())
        .bind(session.device_id.as_str())
        .bind(session.tre_id.as_str())
        .fetch_optional(&self.database().readers)
        .await?;
        row.map(|(text,)| text.parse().map_err(|_| StoreError::Damaged("session"))).transpose()
    }

    /// Forgets sessions that ended before `before`, and parts that no session needs; gives how many sessions. Of the last
    /// RNCP that an operator has in a device the session stays, without its large fields: updates ask for it.
    ///
    /// # Errors
    /// The database's.
    pub async fn forget(&self, before: i64) -> Result<u64, StoreError> {
        let mut tx = self.db.write().await?;
        let gone = sqlx::query(
            "DELETE FROM session WHERE entered_at < ?1 AND state IN ('closed', 'refused', 'failed', 'expired') \
             AND (result IS NOT 'installed' OR EXISTS (SELECT 1 FROM session n WHERE n.pcid = session.pcid \
                 AND n.id > session.id AND n.operator = session.operator AND n.device_id = session.device_id \
                 AND n.tre_id = session.tre_id AND n.result = 'installed'))",
        )
        .bind(before)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        for statement in [
            "UPDATE session SET manifest = NULL, report = NULL, certified = NULL \
             WHERE entered_at < ?1 AND state IN ('closed', 'failed') AND manifest IS NOT NULL",
            "DELETE FROM update_request WHERE received_at < ?1",
        ] {
            sqlx::query(statement).bind(before).execute(&mut *tx).await?;
        }
        sqlx::query(
            "DELETE FROM part WHERE NOT EXISTS (SELECT 1 FROM session_part s \
             WHERE s.operator = part.operator AND s.digest = part.digest)",
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(gone)
    }
}

/// As [`Store::apply`], in the caller's transaction.
pub(super) async fn apply(
    tx: &mut SqliteConnection,
    id: Uuid,
    input: &Input,
    now: i64,
) -> Result<Option<Applied>, StoreError> {
    let row =
        sqlx::query(rows::select("WHERE id = ?1")).bind(id.to_string()).fetch_optional(&mut *tx).await?;
    let Some(row) = row else { return Ok(None) };
    let mut session = rows::session(&row)?;
    let (before, spent) = (session.state, now - session.entered_at);
    // Its time may have been prolonged since somebody saw that it was over.
    let early = matches!(input, Input::Time) && session.expires_at > now;
    let step = if early { Step::Stay } else { step(before, input.event(&session)) };
    if let Step::To(state, effects) = step {
        (session.state, session.entered_at) = (state, now);
        take(tx, &mut session, input).await?;
        save(tx, &session).await?;
        let detail = session.refusal.as_ref().map(|refusal| format!("{}: {}", refusal.code, refusal.detail));
        let detail = detail.or_else(|| session.reason.clone());
        history(tx, &session, input.name(), detail.as_deref(), now).await?;
        if matches!(state, State::Refused | State::Failed | State::Expired | State::Reported) {
            let outcome = detail.unwrap_or_else(|| "installed".to_owned());
            let action = format!("sessions.{}", state.as_str());
            audit(tx, ["dpf", &action, &target(&session), &outcome], now).await?;
        }
        for effect in effects {
            tell(tx, &session, input, *effect, now).await?;
        }
        if !state.is_open() {
            parts::release(tx, id).await?;
        }
    }
    Ok(Some(Applied { session, before, spent, step }))
}

/// What comes along with an input.
async fn take(tx: &mut SqliteConnection, session: &mut Session, input: &Input) -> Result<(), StoreError> {
    match input {
        Input::Evidence { octets, certificate } => {
            session.evidence_digest = Some(schemas::rncp::digest(octets).to_vec());
            session.platform_certificate = Some(certificate.clone());
            sqlx::query("UPDATE session SET evidence = ?2 WHERE id = ?1")
                .bind(session.id.to_string())
                .bind(octets)
                .execute(tx)
                .await?;
        }
        Input::Authorised(package) => rncp(tx, session, package).await?,
        Input::Delegated(package, generated) => {
            rncp(tx, session, package).await?;
            let told = serde_json::to_vec(generated).map_err(|_| StoreError::Damaged("generated RNCP"))?;
            sqlx::query("UPDATE session SET generated = ?2 WHERE id = ?1")
                .bind(session.id.to_string())
                .bind(told)
                .execute(tx)
                .await?;
        }
        Input::Announced => {
            sqlx::query("UPDATE session SET generated = NULL WHERE id = ?1")
                .bind(session.id.to_string())
                .execute(tx)
                .await?;
        }
        Input::OperatorRefused(why) | Input::PlatformBad(why) => {
            (session.refusal, session.result) = (Some(why.clone()), Some(ProvisioningResult::Refused));
        }
        Input::Useless(why) | Input::BadPackage(why, _) => {
            (session.refusal, session.result) = (Some(why.clone()), Some(ProvisioningResult::Failed));
        }
        // What is in the device does not change by that: `result` stays.
        Input::ReportRefused(why) => session.refusal = Some(why.clone()),
        Input::Report { octets, installed, reason, .. } => {
            let result = if *installed { ProvisioningResult::Installed } else { ProvisioningResult::Failed };
            (session.result, session.reason) = (Some(result), reason.clone());
            sqlx::query("UPDATE session SET report = ?2 WHERE id = ?1")
                .bind(session.id.to_string())
                .bind(octets)
                .execute(tx)
                .await?;
        }
        Input::Time => {
            let text =
                "the session was not brought to its end in time; the DRF has to trigger the device again";
            session.refusal = Some(refusal("session-expired", text, true));
            session.result = Some(ProvisioningResult::Expired);
        }
        Input::Download | Input::PlatformGood | Input::OperatorKnows => {}
    }
    Ok(())
}

async fn rncp(tx: &mut SqliteConnection, session: &mut Session, package: &Checked) -> Result<(), StoreError> {
    session.rncp = Some(package.rncp);
    session.check_download = package.check_download;
    session.expires_at = package.expires_at;
    sqlx::query("UPDATE session SET manifest = ?2 WHERE id = ?1")
        .bind(session.id.to_string())
        .bind(&package.manifest)
        .execute(&mut *tx)
        .await?;
    parts::keep(tx, session, &package.parts).await
}

async fn save(tx: &mut SqliteConnection, session: &Session) -> Result<(), StoreError> {
    let refusal = session.refusal.as_ref().map(serde_json::to_string).transpose();
    // What is over needs no evidence: only its digest tells a repetition.
    sqlx::query(
        "UPDATE session SET state = ?2, evidence_digest = ?3, platform_certificate = ?4, rncp = ?5, \
         check_download = ?6, result = ?7, reason = ?8, refusal = ?9, entered_at = ?10, expires_at = ?11, \
         evidence = iif(?12, evidence, NULL), generated = iif(?12, generated, NULL) WHERE id = ?1",
    )
    .bind(session.id.to_string())
    .bind(session.state.as_str())
    .bind(&session.evidence_digest)
    .bind(&session.platform_certificate)
    .bind(session.rncp.map(|rncp| rncp.to_string()))
    .bind(session.check_download)
    .bind(session.result.as_ref().map(rows::word).transpose()?)
    .bind(&session.reason)
    .bind(refusal.map_err(|_| StoreError::Damaged("refusal"))?)
    .bind(session.entered_at)
    .bind(session.expires_at)
    .bind(session.state.is_open())
    .execute(tx)
    .await?;
    Ok(())
}

async fn history(
    tx: &mut SqliteConnection,
    session: &Session,
    step: &str,
    detail: Option<&str>,
    now: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO step (session, at, step, state, detail) VALUES (?1, ?2, ?3, ?4, ?5)")
        .bind(session.id.to_string())
        .bind(now)
        .bind(step)
        .bind(session.state.as_str())
        .bind(detail)
        .execute(tx)
        .await
        .map(drop)
}

/// A session in the audit log.
fn target(session: &Session) -> String {
    format!("{} of {} for {}", session.id, session.tre_id, session.operator)
}

/// Step 19.
async fn tell(
    tx: &mut SqliteConnection,
    session: &Session,
    input: &Input,
    effect: Effect,
    now: i64,
) -> Result<(), StoreError> {
    let key = session.id.to_string();
    let (topic, body) = match effect {
        Effect::TellOperator(result) => {
            let (report, named) = match input {
                // Signed by a device that could not tell which RNCP, it would prove nothing of any.
                Input::Report { octets, rncp, .. } => {
                    ((!rncp.is_nil()).then(|| Octets(octets.clone())), Some(*rncp))
                }
                Input::BadPackage(_, rncp) => (None, Some(*rncp)),
                _ => (None, None),
            };
            let detail = session.refusal.as_ref().map(|why| format!("{}: {}", why.code, why.detail));
            let report = ProvisioningReport {
                result,
                // Nil where nobody knows of one.
                rncp: session.rncp.or(named).unwrap_or_default(),
                report,
                detail: detail.or_else(|| session.reason.clone()),
                at: instant(now),
            };
            (operator_topic(&session.operator), serde_json::to_vec(&report))
        }
        Effect::TellRegistry(result) => {
            let provisioned = Provisioned {
                session: session.id,
                device_id: Some(session.device_id.clone()),
                operator: session.operator.clone(),
                result,
                detail: session.refusal.as_ref().map(|why| format!("{}: {}", why.code, why.detail)),
                at: instant(now),
            };
            let told = ToRegistry { pcid: session.pcid, provisioned };
            (REGISTRY.to_owned(), serde_json::to_vec(&told))
        }
        // Done by driving the state.
        Effect::AskOperator | Effect::Announce | Effect::AskVerifier => return Ok(()),
    };
    let body = body.map_err(|_| StoreError::Damaged("message"))?;
    enqueue(tx, &Message { topic: &topic, key: &key, body: &body, give_up_after: TOLD_FOR }).await?;
    Ok(())
}
