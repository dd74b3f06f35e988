//! What a file is, from its first octets and its first line; and what it is instead of something to import.

use super::wrong::shown;

/// What the first octets say, if they say that it cannot be read.
pub(super) fn not_text(start: &[u8]) -> Option<&'static str> {
    let begins = |with: &[u8]| start.starts_with(with);
    if matches!(start, [_, _, 0, 0, 1..=19, ..]) {
        Some(
            "the file is binary, as of mongodump; export it with mongoexport, or make JSON of it with bsondump",
        )
    } else if begins(b"\xff\xfe")
        || begins(b"\xfe\xff")
        || matches!(start, [first, second, ..] if (*first == 0) != (*second == 0))
    {
        Some(
            "the file is UTF-16, or binary; save it as UTF-8 (iconv -f UTF-16 -t UTF-8 FILE; in a spreadsheet: CSV UTF-8)",
        )
    } else if begins(b"SQLite format 3\0") {
        Some(
            "the file is an SQLite database; export its table as CSV: of osmo-hlr `sqlite3 -csv -header hlr.db \"SELECT \
             s.imsi, s.msisdn, a.k, a.opc, a.op, a.sqn, a.ind_bitlen FROM subscriber s JOIN auc_3g a ON \
             a.subscriber_id = s.id\"`; of PyHSS `sqlite3 -csv -header hss.db \"SELECT imsi, ki, opc, amf, sqn FROM auc\"`",
        )
    } else if begins(b"PK\x03\x04") {
        Some("the file is a ZIP archive, as a spreadsheet's .xlsx is; save the table as CSV UTF-8")
    } else if begins(b"\x1f\x8b") {
        Some("the file is compressed; unpack it first (gunzip)")
    } else if begins(b"age-encryption.org/") || begins(b"-----BEGIN AGE ENCRYPTED FILE") {
        Some(
            "the file is encrypted with age; open it first: age --decrypt -i KEY FILE | callhome credentials import -",
        )
    } else if begins(b"-----BEGIN ") {
        Some("the file is PEM: a key or a certificate, no credentials")
    } else if start.contains(&0) {
        Some("the file is binary; export it as CSV or JSON, in UTF-8")
    } else {
        None
    }
}

/// What the first line says, if it is neither JSON nor CSV.
pub(super) fn not_records(line: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(line);
    let text = text.trim();
    let word = text.split(|c: char| c.is_whitespace() || c == ':').next().unwrap_or_default();
    let upper = word.to_ascii_uppercase();
    let is_key = text.strip_prefix(word).is_some_and(|rest| rest.starts_with(':'));
    if text.starts_with("--") && !text.starts_with("---")
        || text.starts_with("/*")
        || ["CREATE", "INSERT", "PRAGMA", "BEGIN", "DROP", "SET", "USE", "LOCK"].contains(&&*upper) && !is_key
    {
        Some(
            "is SQL; export the table as CSV with a header of names instead: of OAI's HSS `mysql --batch -e 'SELECT imsi, \
             HEX(`key`) AS k, HEX(OPc) AS opc, sqn FROM users'`, of osmo-hlr `sqlite3 -csv -header`",
        )
    } else if text.starts_with('<') {
        Some("is XML; export it as CSV with a header of names (imsi, k, opc), or as JSON")
    } else if text.starts_with("subscriber ") || (is_key && ["ID", "IMSI", "MSISDN"].contains(&&*upper)) {
        Some(
            "is what osmo-hlr's VTY shows or takes; export its database: sqlite3 -csv -header hlr.db \"SELECT s.imsi, \
             s.msisdn, a.k, a.opc, a.op, a.sqn, a.ind_bitlen FROM subscriber s JOIN auc_3g a ON a.subscriber_id = s.id\"",
        )
    } else if text.starts_with("---") || (is_key && !text.contains(',')) {
        Some(
            "is YAML, as UERANSIM and OAI have for one UE; write a line of JSON for it: {\"imsi\":\"…\",\"k\":\"…\",\
             \"opc\":\"…\"} (supi is the IMSI behind imsi-, key is k, op is opc where opType is OPC)",
        )
    } else if text.starts_with('[') {
        Some(
            "is a configuration file, as srsUE's ue.conf; write a line of JSON for it: {\"imsi\":\"…\",\"k\":\"…\",\
             \"opc\":\"…\"}",
        )
    } else {
        None
    }
}

/// What `mongoexport` says beside what it exports, where both went into one file (`docker exec -t`).
pub(super) fn is_message_of_mongoexport(line: &[u8]) -> bool {
    let text = String::from_utf8_lossy(line);
    let text = text.trim();
    // With a time in front, in most versions: 2026-11-30T10:00:00.000+0000, and a tab.
    let said = match text.split_once(['\t', ' ']) {
        Some((time, said)) if time.contains('T') && time.starts_with(|c: char| c.is_ascii_digit()) => {
            said.trim()
        }
        _ => text,
    };
    said.starts_with("connected to:")
        || said.starts_with("[#") && said.contains('%')
        || said.strip_prefix("exported ").is_some_and(|rest| rest.contains("record"))
}

/// A line as an error may show it: its beginning, if no key can be in that.
pub(super) fn quoted(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let text = text.trim();
    let beginning: String = text.chars().take(60).collect();
    let mut run = 0;
    let key = beginning.chars().any(|c| {
        run = if c.is_ascii_hexdigit() { run + 1 } else { 0 };
        run >= 12
    });
    let plain = |c: char| c == ' ' || c.is_ascii_graphic();
    if beginning.is_empty() || key || !beginning.chars().all(plain) {
        shown("")
    } else {
        format!("`{beginning}`")
    }
}
