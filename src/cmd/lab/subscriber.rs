//! The operator's credentials of a lab device, handed out for other simulators: srsUE attaches with them, as
//! `callhome open5gs config --ue` reads them. A real device would not give them away.

use std::path::Path;

use anyhow::Context;
use serde::Serialize;
use ue_sim::tre::Tre;
use zeroize::Zeroizing;

use super::super::files;

/// A line as `batches issue` writes it, as far as a UE needs it.
#[derive(Serialize)]
struct Line<'a> {
    imsi: String,
    k: &'a str,
    opc: &'a str,
}

/// Writes IMSI, K and OPc (16 octets each, hexadecimal) of the RNCP that is active as a line of NDJSON. The file is
/// readable by its owner only, and written anew: it has the last device alone.
///
/// # Errors
/// If no RNCP is active, or the file cannot be written.
pub fn hand_out(tre: &Tre, to: &Path) -> anyhow::Result<()> {
    let active = tre.active().context("the device has no active RNCP")?;
    let credentials = tre.operator(&active.operator).credentials(active.rncp)?;
    let hexadecimal = |key: &[u8; 16]| Zeroizing::new(hex::encode(key));
    let (k, opc) = (hexadecimal(credentials.k().expose()), hexadecimal(credentials.opc().expose()));
    let line = Line { imsi: credentials.imsi.to_string(), k: &k, opc: &opc };
    let mut text = Zeroizing::new(serde_json::to_vec(&line)?);
    text.push(b'\n');
    files::write_private(to, &text)
}
