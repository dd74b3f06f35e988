//! Operators, and the rules that send devices to them.

use schemas::identity::{OperatorId, Plmn};
use service::database::readable_rows;
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{decoded, optional, parsed};
use crate::resolution::{ImsiRange, Rule};

/// An operator of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Its identity.
    pub id: OperatorId,
    /// What people call it.
    pub name: String,
    /// Its networks.
    pub plmns: Vec<Plmn>,
    /// Its own DPF, https.
    pub dpf: Option<String>,
}

fn read(row: &SqliteRow) -> Result<Operator, sqlx::Error> {
    let plmns: &str = row.try_get("plmns")?;
    Ok(Operator {
        id: parsed(row, "id")?,
        name: row.try_get("name")?,
        plmns: decoded("plmns", serde_json::from_str(plmns))?,
        dpf: row.try_get("dpf")?,
    })
}

/// The operator with this identity.
///
/// # Errors
/// The database's.
pub async fn operator(db: &mut SqliteConnection, id: &OperatorId) -> Result<Option<Operator>, sqlx::Error> {
    let row =
        sqlx::query("SELECT * FROM operator WHERE id = ?1").bind(id.as_str()).fetch_optional(db).await?;
    row.as_ref().map(read).transpose()
}

/// All operators.
///
/// # Errors
/// The database's.
pub async fn operators(db: &mut SqliteConnection) -> Result<Vec<Operator>, sqlx::Error> {
    let rows = sqlx::query("SELECT * FROM operator ORDER BY id").fetch_all(db).await?;
    Ok(readable_rows("an operator", "id", &rows, read))
}

/// Stores an operator; `true` if it is new.
///
/// # Errors
/// The database's.
pub async fn put_operator(
    db: &mut SqliteConnection,
    operator: &Operator,
    now: i64,
) -> Result<bool, sqlx::Error> {
    let plmns =
        serde_json::to_string(&operator.plmns).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    let there: i64 = sqlx::query_scalar("SELECT count(*) FROM operator WHERE id = ?1")
        .bind(operator.id.as_str())
        .fetch_one(&mut *db)
        .await?;
    sqlx::query(
        "INSERT INTO operator (id, name, plmns, dpf, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?5)
         ON CONFLICT (id) DO UPDATE SET name = ?2, plmns = ?3, dpf = ?4, updated_at = ?5",
    )
    .bind(operator.id.as_str())
    .bind(&operator.name)
    .bind(plmns)
    .bind(&operator.dpf)
    .bind(now)
    .execute(db)
    .await?;
    Ok(there == 0)
}

/// Takes an operator out; `None` if something still refers to it.
///
/// # Errors
/// The database's.
pub async fn delete_operator(
    db: &mut SqliteConnection,
    id: &OperatorId,
) -> Result<Option<bool>, sqlx::Error> {
    let used: i64 = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM device WHERE contract = ?1) OR EXISTS (SELECT 1 FROM device WHERE claimed = ?1)
         OR EXISTS (SELECT 1 FROM device WHERE current = ?1) OR EXISTS (SELECT 1 FROM rule WHERE operator = ?1)",
    )
    .bind(id.as_str())
    .fetch_one(&mut *db)
    .await?;
    if used != 0 {
        return Ok(None);
    }
    let done = sqlx::query("DELETE FROM operator WHERE id = ?1").bind(id.as_str()).execute(db).await?;
    Ok(Some(done.rows_affected() > 0))
}

fn read_rule(row: &SqliteRow) -> Result<Rule, sqlx::Error> {
    let range = optional(row, "imsi_first")?.zip(optional(row, "imsi_last")?);
    Ok(Rule {
        id: row.try_get("id")?,
        priority: row.try_get("priority")?,
        supplier: optional(row, "supplier")?,
        range: range.map(|(first, last)| ImsiRange { first, last }),
        operator: parsed(row, "operator")?,
    })
}

/// The rule of this name.
///
/// # Errors
/// The database's.
pub async fn rule(db: &mut SqliteConnection, id: &str) -> Result<Option<Rule>, sqlx::Error> {
    let row = sqlx::query("SELECT * FROM rule WHERE id = ?1").bind(id).fetch_optional(db).await?;
    row.as_ref().map(read_rule).transpose()
}

/// All rules, the one that decides first.
///
/// # Errors
/// The database's.
pub async fn rules(db: &mut SqliteConnection) -> Result<Vec<Rule>, sqlx::Error> {
    let rows = sqlx::query(ALL_RULES).fetch_all(db).await?;
    Ok(readable_rows("a rule", "id", &rows, read_rule))
}

const ALL_RULES: &str = "SELECT * FROM rule ORDER BY priority, id";

/// The rules that devices are resolved by, the one that decides first. Behind one that cannot be read none decides: it may
/// be the one that fits, and a device that waits can be helped, unlike one that went to another operator.
///
/// # Errors
/// The database's.
pub async fn deciding_rules(db: &mut SqliteConnection) -> Result<Vec<Rule>, sqlx::Error> {
    let rows = sqlx::query(ALL_RULES).fetch_all(db).await?;
    let decide = rows.iter().take_while(|row| read_rule(row).is_ok()).count();
    let mut rules = readable_rows("a rule that devices are resolved by", "id", &rows, read_rule);
    rules.truncate(decide);
    Ok(rules)
}

/// Stores a rule; `true` if it is new.
///
/// # Errors
/// The database's.
pub async fn put_rule(db: &mut SqliteConnection, rule: &Rule) -> Result<bool, sqlx::Error> {
    let there = delete_rule(db, &rule.id).await?;
    sqlx::query(
        "INSERT INTO rule (id, priority, supplier, imsi_first, imsi_last, operator)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )
    .bind(&rule.id)
    .bind(rule.priority)
    .bind(rule.supplier.as_ref().map(schemas::identity::SupplierId::as_str))
    .bind(rule.range.map(|range| range.first.to_string()))
    .bind(rule.range.map(|range| range.last.to_string()))
    .bind(rule.operator.as_str())
    .execute(db)
    .await?;
    Ok(!there)
}

/// Takes a rule out.
///
/// # Errors
/// The database's.
pub async fn delete_rule(db: &mut SqliteConnection, id: &str) -> Result<bool, sqlx::Error> {
    let done = sqlx::query("DELETE FROM rule WHERE id = ?1").bind(id).execute(db).await?;
    Ok(done.rows_affected() > 0)
}
