//! Provisional credentials for the lab's devices (R1, mode a): the CHTIF issues, the supplier embeds. Here the supplier is
//! a file.

use std::path::Path;

use anyhow::Context;
use icf_auc::chtif::{
    issue::{BatchRequest, Issuing},
    issued::IssuedCredential,
};
use schemas::identity::Imsi;
use zeroize::Zeroizing;

use super::super::files;
use super::roles::{Ports, Roles};

/// A batch.
#[derive(Debug, Clone, Copy)]
pub struct Issued {
    /// Its first PCID.
    pub first: Imsi,
    /// How many.
    pub count: u64,
    /// Of these, how many were there before.
    pub resumed: u64,
}

/// Issues the batch `id` of `count` PCIDs from `first` on, and writes it to the file `to`. One that is there is used as it
/// is.
///
/// # Errors
/// If it cannot be issued or written.
pub async fn issue(
    roles: &Roles,
    ports: Ports,
    id: &str,
    (first, count): (Imsi, u64),
    to: &Path,
) -> anyhow::Result<Issued> {
    let config = crate::cmd::config::load(&roles.icf)?;
    let store = icf_auc::start::open_store(&config).await?;
    let there = store.batch(id).await?;
    let count = there.as_ref().map_or(count, |batch| batch.count);
    // The devices of a batch keep its call-home URL: in the lab they are told where the DRF is, wherever it has moved.
    let url = there.as_ref().and_then(|batch| batch.terms.as_ref()?.triple_url.clone());
    let url = url.unwrap_or_else(|| format!("https://{}", ports.drf_device()));
    let first = there.and_then(|batch| batch.first).unwrap_or(first);
    let request = BatchRequest {
        id: id.into(),
        first,
        count,
        profile: "default".into(),
        party: Some("lab supplier".into()),
        op: None,
        amf: [0x80, 0],
        triple_url: Some(url),
    };
    let mut lines = Zeroizing::new(Vec::new());
    let mut issuing = Issuing::begin(&*store, request).await?;
    while let Some(credentials) = issuing.next().await? {
        for credential in &credentials {
            credential.write_line(&mut lines)?;
        }
    }
    files::write_private(to, &lines)?;
    store.close().await;
    Ok(Issued { first, count, resumed: issuing.progress().resumed })
}

/// A line of the file.
///
/// # Errors
/// If it is none.
pub fn read(line: &str) -> anyhow::Result<IssuedCredential> {
    serde_json::from_str(line).context("a line of the batch")
}
