//! What an answer of PyHSS means. Its error handler (`handle_exception` of `services/apiService.py`, 2.0) makes of each
//! failure of its database one of three answers: 400 with a `reason` that begins with `A database operational error
//! occurred` or `A database integrity error occurred` — whichever of them — and the driver's exception in brackets, or 200
//! and `null` for an exception that it does not know. docs/CONNECTORS.md has the table, with what was seen.

use axum::http::StatusCode;
use serde_json::Value;

use crate::connector::http::{Answer, is_about_the_request};

/// What the reasons of its database begin with.
const DATABASE: &str = "A database ";

/// Whether an answer that is no success is a refusal for good.
pub(super) fn is_refusal(answer: &Answer) -> bool {
    if answer.status != StatusCode::BAD_REQUEST {
        return is_about_the_request(answer.status);
    }
    let reason = answer.body.as_ref().and_then(|body| body.get("reason")?.as_str()).unwrap_or_default();
    match exception(reason) {
        Some(class) => is_about_the_values(class),
        // Its database says something that is no driver's: it has no connection to give, for example.
        None => !reason.starts_with(DATABASE),
    }
}

/// The class of the driver's exception, as `UniqueViolation` in `…: (psycopg2.errors.UniqueViolation) …`. It is looked for
/// at its place alone: what follows repeats values.
fn exception(reason: &str) -> Option<&str> {
    let (_, said) = reason.split_once(": ")?;
    let (name, _) = said.strip_prefix('(')?.split_once(')')?;
    name.rsplit('.').next()
}

/// Whether an exception of a driver (PEP 249, and psycopg's subclasses by SQLSTATE) is about the values that were to be
/// written: classes 22 and 23 of SQLSTATE. All others, as `OperationalError`, are about the database.
fn is_about_the_values(class: &str) -> bool {
    class == "IntegrityError"
        || class.ends_with("Violation")
        || matches!(class, "DataError" | "StringDataRightTruncation" | "NumericValueOutOfRange")
}

/// The first field of what was sent that is stored otherwise; what the answer does not show is not looked at (keys are
/// shown to a PUT alone).
pub(super) fn differs<'a>(sent: &'a Value, stored: &Value) -> Option<&'a str> {
    let fields = sent.as_object()?;
    let other =
        |(name, value): &(&String, &Value)| stored.get(name.as_str()).is_some_and(|it| !is_same(value, it));
    fields.iter().find(other).map(|(name, _)| name.as_str())
}

/// A database without a type for truth has 0 and 1.
fn is_same(sent: &Value, stored: &Value) -> bool {
    match (sent, stored) {
        (Value::Bool(sent), Value::Number(number)) => number.as_i64() == Some(i64::from(*sent)),
        _ => sent == stored,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(status: u16, reason: &str) -> bool {
        let status = StatusCode::from_u16(status).unwrap_or_default();
        is_refusal(&Answer { status, body: Some(json!({"result": "Failed", "reason": reason})) })
    }

    #[test]
    fn the_class_of_the_exception_tells_later_from_never_whatever_is_before_and_after_it() {
        for (reason, never) in [
            ("A database operational error occurred: (psycopg2.OperationalError) connection refused", false),
            ("A database integrity error occurred: (psycopg2.OperationalError) connection refused", false),
            ("A database integrity error occurred: (psycopg2.errors.AdminShutdown) terminating", false),
            (
                "A database integrity error occurred: (MySQLdb.OperationalError) (1213, 'Deadlock found')",
                false,
            ),
            ("A database operational error occurred: (sqlite3.OperationalError) database is locked", false),
            ("A database integrity error occurred: QueuePool limit of size 30 overflow 0 reached", false),
            ("A database operational error occurred: no IntegrityError) here", false),
            ("A database integrity error occurred: (sqlite3.IntegrityError) UNIQUE constraint failed", true),
            ("A database integrity error occurred: (MySQLdb.IntegrityError) (1062, 'Duplicate entry')", true),
            ("A database integrity error occurred: (psycopg2.errors.UniqueViolation) duplicate key", true),
            ("A database integrity error occurred: (MySQLdb.DataError) (1406, 'Data too long')", true),
            ("The browser (or proxy) sent a request that this server could not understand.", true),
            ("", true),
        ] {
            assert_eq!(refusal(400, reason), never, "{reason}");
        }
    }

    #[test]
    fn a_status_that_is_not_about_the_request_is_put_right_somewhere() {
        for status in [301, 308, 401, 403, 404, 405, 408, 429, 500, 502, 503, 504] {
            assert!(!refusal(status, ""), "{status}");
        }
        for status in [409, 410, 413, 422] {
            assert!(refusal(status, ""), "{status}");
        }
    }

    #[test]
    fn a_value_that_came_back_otherwise_is_named() {
        let sent = json!({"apn": "internet", "enabled": true, "ki": "00"});
        assert_eq!(differs(&sent, &json!({"apn": "internet", "enabled": 1, "apn_id": 3})), None);
        assert_eq!(differs(&sent, &json!({"apn": "inter", "enabled": true})), Some("apn"));
        assert_eq!(differs(&sent, &json!({"apn": "internet", "enabled": false})), Some("enabled"));
        assert_eq!(differs(&sent, &json!({"ki": null})), Some("ki"));
    }
}
