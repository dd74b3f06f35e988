//! A simulated device: its identity and the keys of its USIM, and the files they are kept in.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use schemas::identity::Imsi;
use schemas::secret::Key128;
use serde::Deserialize;

use crate::usim::state::UsimState;
use crate::usim::{SqnArray, Usim};

/// A device with a USIM. Debug shows no key.
#[derive(Debug, Clone)]
pub struct Device {
    /// Its PCID, or the IMSI of its operator's subscription.
    pub imsi: Imsi,
    /// IMEI without check digit, 14 digits (TS 23.003 §6.2.1, TS 29.272 §7.3.4).
    pub imei: String,
    /// Its USIM.
    pub usim: Usim,
}

/// Type Allocation Code of test equipment, TS 23.003 §6.2: the range 001 is for that.
const TEST_TAC: &str = "00101001";

impl Device {
    /// A new device from K and OPc; its IMEI is made from the IMSI.
    #[must_use]
    pub fn new(imsi: Imsi, k: &Key128, opc: &Key128) -> Self {
        Self { imsi, imei: test_imei(imsi), usim: Usim::new(k, opc) }
    }

    /// A new device from K and OP.
    #[must_use]
    pub fn from_op(imsi: Imsi, k: &Key128, op: &Key128) -> Self {
        Self { imsi, imei: test_imei(imsi), usim: Usim::from_op(k, op) }
    }

    /// With another IMEI of 14 or 15 digits.
    #[must_use]
    pub fn with_imei(mut self, imei: impl Into<String>) -> Self {
        self.imei = imei.into();
        self
    }

    /// Goes on from what its USIM remembered earlier.
    #[must_use]
    pub fn with_state(mut self, state: &UsimState) -> Self {
        self.usim = self.usim.with_state(state);
        self
    }

    /// Goes on from the sequence numbers accepted earlier.
    #[must_use]
    pub fn with_sqn(mut self, sqn: SqnArray) -> Self {
        self.usim = self.usim.with_sqn(sqn);
        self
    }
}

fn test_imei(imsi: Imsi) -> String {
    format!("{TEST_TAC}{:06}", imsi.number() % 1_000_000)
}

/// One line of a credentials file. Fields that only the network's side needs are passed over.
#[derive(Deserialize)]
struct Line {
    imsi: Imsi,
    k: String,
    opc: Option<String>,
    op: Option<String>,
    imei: Option<String>,
}

/// Why a credentials file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// It cannot be read.
    #[error("the credentials {file}: {why}")]
    Io {
        /// Its path.
        file: String,
        /// What the system says.
        why: io::Error,
    },
    /// A line is no credential; no key is repeated.
    #[error(
        "the credentials {file}, line {line}: {what}; a line is \
         {{\"imsi\":\"…\",\"k\":\"32 hex digits\",\"opc\":\"32 hex digits\"}}"
    )]
    Line {
        /// Its path.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
}

/// Reads devices from NDJSON, the format that the ICF imports: `imsi`, `k`, `opc` or `op`, and optionally
/// `imei`.
///
/// # Errors
/// If the file cannot be read, or a line is no credential.
pub fn read(file: &Path) -> Result<Vec<Device>, DeviceError> {
    let name = || file.display().to_string();
    let io = |why| DeviceError::Io { file: name(), why };
    let mut devices = Vec::new();
    for (line, text) in (1..).zip(BufReader::new(File::open(file).map_err(io)?).lines()) {
        let text = text.map_err(io)?;
        if text.trim().is_empty() {
            continue;
        }
        devices.push(parse(&text).map_err(|what| DeviceError::Line { file: name(), line, what })?);
    }
    Ok(devices)
}

/// Reads one line of such a file.
///
/// # Errors
/// What is wrong, without repeating any key.
pub fn parse(line: &str) -> Result<Device, String> {
    // serde's own words could quote the line, and with it a key.
    let line: Line = serde_json::from_str(line).map_err(|e| match e.classify() {
        serde_json::error::Category::Data => "imsi or k is missing, or a field has another type".to_owned(),
        _ => format!("not JSON at column {}", e.column()),
    })?;
    let key = |name: &str, text: &str| Key128::from_hex(text).map_err(|e| format!("{name}: {e}"));
    let k = key("k", &line.k)?;
    let device = match (&line.opc, &line.op) {
        (Some(opc), _) => Device::new(line.imsi, &k, &key("opc", opc)?),
        (None, Some(op)) => Device::from_op(line.imsi, &k, &key("op", op)?),
        (None, None) => return Err("neither opc nor op is given".to_owned()),
    };
    match line.imei {
        Some(imei) if !(14..=15).contains(&imei.len()) || !imei.bytes().all(|c| c.is_ascii_digit()) => {
            Err("imei: an IMEI has 14 digits, or 15 with its check digit".to_owned())
        }
        Some(imei) => Ok(device.with_imei(imei)),
        None => Ok(device),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const K: &str = "465b5ce8b199b49faa5f0a2ee238a6bc";

    #[test]
    fn a_line_of_the_import_format_is_a_device() {
        let line = format!(
            r#"{{"imsi":"999710000000001","k":"{K}","opc":"cd63cb71954a9f4e48a5994e37a02baf","amf":"8000","profile":"default"}}"#
        );
        let device = parse(&line).unwrap();
        assert_eq!(device.imsi.to_string(), "999710000000001");
        assert_eq!(device.imei, "00101001000001");
    }

    #[test]
    fn an_error_names_the_field_and_repeats_no_key() {
        for (line, says) in [
            (format!(r#"{{"imsi":"999710000000001","k":"{K}"}}"#), "neither opc nor op"),
            (format!(r#"{{"imsi":"999710000000001","k":"{K}","opc":"{K}ff"}}"#), "opc: a key is 32"),
            (format!(r#"{{"k":"{K}","opc":"{K}"}}"#), "imsi"),
            (format!(r#"{{"imsi":"999710000000001","k":"{K}","opc":"{K}","imei":"1"}}"#), "imei"),
            (format!(r#"{{"imsi":"999710000000001","k":"{K}""#), "column"),
        ] {
            let error = parse(&line).unwrap_err();
            assert!(error.contains(says), "{error}");
            assert!(!error.contains(K), "{error}");
        }
    }
}
