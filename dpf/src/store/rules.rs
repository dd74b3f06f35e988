//! Operators' rules, and the numbers that they give away.

use schemas::{
    identity::{Imsi, OperatorId},
    rest::provisioning::{Generated, Refusal},
};
use sqlx::SqliteConnection;

use super::{Store, StoreError, rows, sessions};
use crate::model::{Applied, Checked, Input, Rule, Session, refusal};

/// A rule cannot be stored.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// Numbers that another rule gives away.
    #[error(
        "its IMSIs overlap with those of rule {0:?}: a number is given away once; take the range apart, or another one"
    )]
    Overlap(String),
    /// Numbers that a rule of another operator gives away; whose is not told.
    #[error("its IMSIs overlap with those of another operator: check the range with the registry")]
    Taken,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How many numbers a rule has given away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allocation {
    /// So many devices have one.
    pub given: u64,
}

impl Store {
    /// Stores a rule, new or changed; `true` if it is new.
    ///
    /// # Errors
    /// If its numbers are another rule's.
    pub async fn put_rule(&self, rule: &Rule, now: i64) -> Result<bool, RuleError> {
        let failed = |error: sqlx::Error| RuleError::Store(error.into());
        let mut tx = self.db.write().await.map_err(failed)?;
        let (first, last) = (rule.first_imsi.to_string(), rule.last_imsi.to_string());
        let other: Option<(String, String)> = sqlx::query_as(
            "SELECT operator, name FROM rule WHERE NOT (operator = ?1 AND name = ?2) \
             AND length(first_imsi) = length(?3) AND first_imsi <= ?4 AND last_imsi >= ?3 LIMIT 1",
        )
        .bind(rule.operator.as_str())
        .bind(&rule.name)
        .bind(&first)
        .bind(&last)
        .fetch_optional(&mut *tx)
        .await
        .map_err(failed)?;
        match other {
            Some((operator, name)) if operator == rule.operator.as_str() => {
                return Err(RuleError::Overlap(name));
            }
            Some(_) => return Err(RuleError::Taken),
            None => {}
        }
        let there: Option<(i64,)> =
            sqlx::query_as("SELECT created_at FROM rule WHERE operator = ?1 AND name = ?2")
                .bind(rule.operator.as_str())
                .bind(&rule.name)
                .fetch_optional(&mut *tx)
                .await
                .map_err(failed)?;
        sqlx::query(
            "INSERT INTO rule (operator, name, first_imsi, last_imsi, home_plmn, apn, amf, created_at, updated_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8) ON CONFLICT (operator, name) DO UPDATE SET \
             first_imsi = ?3, last_imsi = ?4, home_plmn = ?5, apn = ?6, amf = ?7, updated_at = ?8",
        )
        .bind(rule.operator.as_str())
        .bind(&rule.name)
        .bind(first)
        .bind(last)
        .bind(rule.home_plmn.to_string())
        .bind(&rule.apn)
        .bind(rule.amf.to_vec())
        .bind(now)
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
        tx.commit().await.map_err(failed)?;
        Ok(there.is_none())
    }

    /// A rule of an operator.
    ///
    /// # Errors
    /// The database's.
    pub async fn rule(&self, operator: &OperatorId, name: &str) -> Result<Option<Rule>, StoreError> {
        let query = format!("SELECT {} FROM rule WHERE operator = ?1 AND name = ?2", rows::RULE);
        let row = sqlx::query(sqlx::AssertSqlSafe(query))
            .bind(operator.as_str())
            .bind(name)
            .fetch_optional(&self.database().readers)
            .await?;
        row.as_ref().map(rows::rule).transpose()
    }

    /// How many numbers a rule has given away.
    ///
    /// # Errors
    /// The database's.
    pub async fn allocation(&self, rule: &Rule) -> Result<Allocation, StoreError> {
        let (given,): (i64,) =
            sqlx::query_as("SELECT count(*) FROM allocation WHERE operator = ?1 AND rule = ?2")
                .bind(rule.operator.as_str())
                .bind(&rule.name)
                .fetch_one(&self.database().readers)
                .await?;
        Ok(Allocation { given: given.unsigned_abs() })
    }

    /// R17: gives the device a number, has the RNCP made for it and puts it into the session, all or nothing.
    ///
    /// # Errors
    /// The database's; inside, why no RNCP can be made.
    pub async fn delegate(
        &self,
        session: &Session,
        rule: &Rule,
        now: i64,
        make: impl FnOnce(Imsi) -> Result<(Checked, Generated), Refusal>,
    ) -> Result<Result<Option<Applied>, Refusal>, StoreError> {
        let mut tx = self.db.write().await?;
        let Some(imsi) = allocate(&mut tx, session, rule, now).await? else {
            let text = format!(
                "rule {:?} has no IMSI left: the operator has to give it a wider range (PUT \
                 /v1/operators/{}/rules/{})",
                rule.name, rule.operator, rule.name
            );
            return Ok(Err(refusal("numbers-exhausted", text, true)));
        };
        let (checked, generated) = match make(imsi) {
            Ok(made) => made,
            Err(why) => return Ok(Err(why)),
        };
        let input = Input::Delegated(Box::new(checked), Box::new(generated));
        let applied = sessions::apply(&mut tx, session.id, &input, now).await?;
        // A session that has ended in the meantime takes no number with it.
        if applied.as_ref().is_some_and(|it| matches!(it.step, crate::machine::Step::To(..))) {
            tx.commit().await?;
        }
        Ok(Ok(applied))
    }
}

/// The device's number; `None`: there is none left.
async fn allocate(
    tx: &mut SqliteConnection,
    session: &Session,
    rule: &Rule,
    now: i64,
) -> Result<Option<Imsi>, StoreError> {
    const WHAT: &str = "allocation";
    let (first, last) = (rule.first_imsi.to_string(), rule.last_imsi.to_string());
    let mine: Option<(String,)> = sqlx::query_as(
        "UPDATE allocation SET session = ?5, allocated_at = ?6 WHERE operator = ?1 AND rule = ?2 AND device_id = ?3 \
         AND tre_id = ?4 RETURNING imsi",
    )
    .bind(rule.operator.as_str())
    .bind(&rule.name)
    .bind(session.device_id.as_str())
    .bind(session.tre_id.as_str())
    .bind(session.id.to_string())
    .bind(now)
    .fetch_optional(&mut *tx)
    .await?;
    if let Some((imsi,)) = mine {
        return imsi.parse().map(Some).map_err(|_| StoreError::Damaged(WHAT));
    }
    let (highest,): (Option<String>,) = sqlx::query_as(
        "SELECT max(imsi) FROM allocation WHERE imsi BETWEEN ?1 AND ?2 AND length(imsi) = length(?1)",
    )
    .bind(&first)
    .bind(&last)
    .fetch_one(&mut *tx)
    .await?;
    let next = match highest {
        None => rule.first_imsi,
        Some(highest) => {
            let highest: Imsi = highest.parse().map_err(|_| StoreError::Damaged(WHAT))?;
            match highest.checked_add(1) {
                Some(next) if next.number() <= rule.last_imsi.number() => next,
                _ => return Ok(None),
            }
        }
    };
    sqlx::query(
        "INSERT INTO allocation (imsi, operator, rule, device_id, tre_id, session, allocated_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )
    .bind(next.to_string())
    .bind(rule.operator.as_str())
    .bind(&rule.name)
    .bind(session.device_id.as_str())
    .bind(session.tre_id.as_str())
    .bind(session.id.to_string())
    .bind(now)
    .execute(tx)
    .await?;
    Ok(Some(next))
}
