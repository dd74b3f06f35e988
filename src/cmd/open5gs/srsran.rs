//! srsUE's configuration for one device of a credentials file. The template is the one that people read in
//! open5gs-integration/srsran.

use std::path::{Path, PathBuf};

use schemas::identity::Imsi;
use schemas::secret::Key128;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::super::client::{self, Failure};
use super::super::files::write_private;

/// ue.conf with words in place of the identity and the keys.
const TEMPLATE: &str = include_str!("../../../open5gs-integration/srsran/ue.conf");
/// Its name in the folder.
const FILE: &str = "ue.conf";

/// A line as `batches issue` writes it; the rest of it is for the network.
#[derive(Deserialize)]
struct Line {
    imsi: Imsi,
    k: Zeroizing<String>,
    opc: Option<Zeroizing<String>>,
}

/// Writes ue.conf for a device, readable by its owner only.
///
/// # Errors
/// Which line of the credentials is wrong, without what it holds; or that the file cannot be written.
pub fn write(folder: &Path, credentials: &Path, imsi: Option<Imsi>, apn: &str) -> anyhow::Result<PathBuf> {
    let lines = client::read(credentials).map_err(|error| Failure::Usage(format!("{error:#}")))?;
    let line = find(&Zeroizing::new(lines), imsi)
        .map_err(|why| Failure::Usage(format!("{}: {why}", credentials.display())))?;
    let opc = line.opc.as_ref().ok_or_else(|| {
        Failure::Usage(format!(
            "{}: {} has no opc; srsUE is given OPc here",
            credentials.display(),
            line.imsi
        ))
    })?;
    let text = Zeroizing::new(
        TEMPLATE
            .replace("IMSI-OF-THE-DEVICE", &line.imsi.to_string())
            .replace("APN-OF-THE-PROFILE", apn)
            .replace("K-OF-THE-DEVICE", &line.k)
            .replace("OPC-OF-THE-DEVICE", opc),
    );
    let path = folder.join(FILE);
    write_private(&path, text.as_bytes())?;
    Ok(path)
}

fn find(text: &[u8], imsi: Option<Imsi>) -> Result<Line, String> {
    let lines = text.split(|byte| *byte == b'\n').enumerate();
    for (at, text) in lines.filter(|(_, line)| !line.trim_ascii().is_empty()) {
        // What serde says of a line may repeat what is in it.
        let line: Line = serde_json::from_slice(text).map_err(|error| {
            format!("line {}: not a credential (column {} of it)", at + 1, error.column())
        })?;
        for key in std::iter::once(&line.k).chain(&line.opc) {
            Key128::from_hex(key)
                .map_err(|_| format!("line {}: k or opc is not of 32 hexadecimal digits", at + 1))?;
        }
        if imsi.is_none_or(|imsi| imsi == line.imsi) {
            return Ok(line);
        }
    }
    Err(imsi.map_or_else(|| "there is nothing in it".to_owned(), |imsi| format!("{imsi} is not in it")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = concat!(
        r#"{"imsi":"999710000000001","k":"465b5ce8b199b49faa5f0a2ee238a6bc","opc":"cd63cb71954a9f4e48a5994e37a02baf","sqn":0}"#,
        "\n",
        r#"{"imsi":"999710000000002","k":"000102030405060708090a0b0c0d0e0f","opc":"101112131415161718191a1b1c1d1e1f"}"#,
    );

    #[test]
    fn ue_conf_is_the_template_with_a_device_in_it_and_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let credentials = folder.path().join("devices.ndjson");
        std::fs::write(&credentials, LINES).unwrap();
        let second = Some("999710000000002".parse().unwrap());
        let path = write(folder.path(), &credentials, second, "provisioning").unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        for line in [
            "imsi = 999710000000002",
            "k = 000102030405060708090a0b0c0d0e0f",
            "opc = 101112131415161718191a1b1c1d1e1f",
            "apn = provisioning",
        ] {
            assert!(text.lines().any(|one| one == line), "{line}");
        }
        assert!(!text.contains("-OF-THE-"), "{text}");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let first = write(folder.path(), &credentials, None, "provisioning").unwrap();
        assert!(std::fs::read_to_string(first).unwrap().contains("imsi = 999710000000001"));
    }

    #[test]
    fn what_is_wrong_with_credentials_is_said_without_a_key() {
        let other: Imsi = "999710000000009".parse().unwrap();
        assert_eq!(find(LINES.as_bytes(), Some(other)).err().unwrap(), "999710000000009 is not in it");
        let short = br#"{"imsi":"999710000000001","k":"465b5ce8","opc":null}"#;
        let said = find(short, None).err().unwrap();
        assert!(said.contains("line 1") && !said.contains("465b"), "{said}");
        assert!(find(b"465b5ce8b199b49f", None).err().unwrap().starts_with("line 1: not a credential"));
    }
}
