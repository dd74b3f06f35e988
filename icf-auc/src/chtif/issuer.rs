//! Batches over REST: what [`super::issue`] gives, age-encrypted to the recipient while it is produced.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use schemas::rest::IssueRequest;
use tokio::sync::mpsc;

use super::{
    issue::{BatchRequest, IssueError, Issuing},
    seal::Recipients,
};
use crate::{
    rest::{Issued, Issuer, NotIssued},
    store::{Store, StoreError},
};

/// Issues from this ICF's own store.
pub struct StoreIssuer {
    store: Arc<dyn Store>,
}

impl std::fmt::Debug for StoreIssuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoreIssuer")
    }
}

impl StoreIssuer {
    /// Issues from `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }
}

/// Pieces of the answer that wait for the client to read them: issuing goes no faster than the client.
const PIECES: usize = 4;

#[async_trait]
impl Issuer for StoreIssuer {
    async fn issue(&self, who: &str, request: IssueRequest) -> Result<Issued, NotIssued> {
        let recipients = Recipients::parse(request.recipient.split_ascii_whitespace())
            .map_err(|e| NotIssued::Field { field: "recipient", detail: e.to_string() })?;
        if request.triple_url.as_ref().is_some_and(|url| !url.starts_with("https://")) {
            let detail = "a device calls home over https; give an https:// URL".to_owned();
            return Err(NotIssued::Field { field: "triple_url", detail });
        }
        let batch = BatchRequest {
            id: request.id,
            first: request.first,
            count: request.count,
            profile: request.profile,
            party: request.party,
            op: None,
            amf: [0x80, 0],
            triple_url: request.triple_url,
        };
        tracing::info!(who, batch = batch.id, count = batch.count, "issuing");
        let (pieces, mut receiver) = mpsc::channel::<Result<Bytes, NotIssued>>(PIECES);
        let store = self.store.clone();
        tokio::spawn(async move {
            let id = batch.id.clone();
            if let Err(error) = run(&*store, batch, &recipients, &pieces).await {
                tracing::warn!(batch = id, %error, "issuing stopped; ask again to resume");
                let _ = pieces.send(Err(error)).await;
            }
        });
        // What is refused at once is an answer of its own, not a stream that breaks.
        match receiver.recv().await {
            Some(Err(error)) => Err(error),
            first => {
                let rest = futures_util::stream::unfold(receiver, async |mut r| Some((r.recv().await?, r)));
                Ok(Issued { lines: futures_util::stream::iter(first).chain(rest).boxed() })
            }
        }
    }
}

async fn run(
    store: &dyn Store,
    batch: BatchRequest,
    recipients: &Recipients,
    pieces: &mpsc::Sender<Result<Bytes, NotIssued>>,
) -> Result<(), NotIssued> {
    let failed = |e: &dyn std::fmt::Display| NotIssued::Store(StoreError::Database(e.to_string()));
    let gone = |_| failed(&"the client went away");
    let mut issuing = Issuing::begin(store, batch).await?;
    let sealed = Shared::default();
    let mut writer = recipients.seal(sealed.clone()).map_err(|e| failed(&e))?;
    while let Some(credentials) = issuing.next().await? {
        let mut lines = zeroize::Zeroizing::new(Vec::with_capacity(credentials.len() * 200));
        for credential in &credentials {
            credential.write_line(&mut lines).map_err(|e| failed(&e))?;
        }
        writer.write_all(&lines).map_err(|e| failed(&e))?;
        pieces.send(Ok(sealed.take())).await.map_err(gone)?;
    }
    writer.finish().map_err(|e| failed(&e))?;
    pieces.send(Ok(sealed.take())).await.map_err(gone)
}

/// A buffer that is written at one end and emptied at the other.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn take(&self) -> Bytes {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into()
    }
}

impl Write for Shared {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl From<IssueError> for NotIssued {
    fn from(error: IssueError) -> Self {
        let field = |field, error: IssueError| Self::Field { field, detail: error.to_string() };
        match error {
            IssueError::Range { .. } => field("count", error),
            IssueError::NoProfile(_) => field("profile", error),
            IssueError::OtherBatch { .. } | IssueError::Collision { .. } => Self::Conflict(error.to_string()),
            IssueError::Store(error) => Self::Store(error),
            IssueError::Random(_) => Self::Store(StoreError::Database(error.to_string())),
        }
    }
}
