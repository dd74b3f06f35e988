//! Step 16: "a protocol conversation prior to provisioning a RNCP, to see which parts of the RNCP are already available in
//! the TRE" (seed, section 3.2.1), and the download of the rest, which goes on where it was cut (RFC 9110 §14).

use std::{collections::BTreeSet, time::Instant};

use reqwest::Method;
use schemas::{
    identity::OperatorId,
    rest::provisioning::{HaveParts, NeedParts},
    rncp::Part,
};
use uuid::Uuid;

use super::{
    CallError, DeviceClient, Exchange, Provisioner, Step, client::Content, conversation::Stop, on_disk,
    patience::Patience,
};
use crate::tre::{GoodManifest, Reason};

/// Octets that are gathered before they go to the disk.
const GATHER: usize = 256 << 10;

impl Provisioner {
    /// Sees to it that every part of the manifest is here or staged.
    pub(super) async fn download(
        &self,
        client: &DeviceClient,
        session: Uuid,
        manifest: &GoodManifest,
        patience: &mut Patience,
    ) -> Result<(), Stop> {
        let needed = self.agree(client, session, manifest).await?;
        let operator = &manifest.get().operator;
        for part in needed {
            loop {
                let since = Instant::now();
                match self.part(client, session, operator, &part, patience).await {
                    Ok(wire) => {
                        patience.progress();
                        let detail = format!("{}, {} octets, SHA-256 as signed", part.name, part.size);
                        self.tell(Step::PartReceived, detail, since, Some(wire));
                        break;
                    }
                    Err(Stop::Later(why, after)) => {
                        let detail = format!("{}: {why}", part.name);
                        self.tell(Step::DownloadCut, detail, since, None);
                        if !patience.wait(after).await {
                            return Err(Stop::Later(why, after));
                        }
                    }
                    Err(stop) => return Err(stop),
                }
            }
        }
        Ok(())
    }

    /// Which parts travel. The DPF is told of parts of this manifest alone: what else is in the device, and whose, is
    /// nobody's business.
    async fn agree(
        &self,
        client: &DeviceClient,
        session: Uuid,
        manifest: &GoodManifest,
    ) -> Result<Vec<Part>, Stop> {
        let since = Instant::now();
        let looked = manifest.get().clone();
        let here = on_disk(&self.tre, move |tre| {
            let view = tre.operator(&looked.operator);
            let here = looked.parts.iter().filter(|part| view.find(part).is_some());
            Ok(here.map(Part::digest_hex).collect::<BTreeSet<_>>())
        })
        .await?;
        let path = format!("/device/v1/sessions/{session}/parts");
        let have = HaveParts { have: here.iter().cloned().collect() };
        let answer = client.call(Method::POST, &path, Some(Content::json(&have)?)).await?;
        let needed: NeedParts = answer.json()?;
        let offered: BTreeSet<&str> = needed.needed.iter().map(|need| need.digest.as_str()).collect();
        let mut travel: Vec<Part> = Vec::new();
        for part in &manifest.get().parts {
            let digest = part.digest_hex();
            if here.contains(&digest) || travel.iter().any(|other| other.digest == part.digest) {
                continue;
            }
            if !offered.contains(digest.as_str()) {
                let detail = format!("the DPF does not offer part {}, which is not here", part.name);
                return Err(Stop::Failed(Reason::PartsMissing, detail));
            }
            travel.push(part.clone());
        }
        let detail = format!("{} travel, {} are here", travel.len(), here.len());
        self.tell(Step::PartsAgreed, detail, since, Some(answer.wire));
        Ok(travel)
    }

    /// One part, from where it was cut.
    async fn part(
        &self,
        client: &DeviceClient,
        session: Uuid,
        operator: &OperatorId,
        part: &Part,
        patience: &mut Patience,
    ) -> Result<Exchange, Stop> {
        let (owner, wanted) = (operator.clone(), part.clone());
        let mut from = on_disk(&self.tre, move |tre| {
            let here = tre.staged_len(&owner, &wanted)?;
            if here > wanted.size {
                tre.unstage(&owner, &wanted)?;
                return Ok(0);
            }
            Ok(here)
        })
        .await?;
        let begun = from;
        let path = format!("/device/v1/sessions/{session}/parts/{}", part.digest_hex());
        let mut wire = Exchange {
            protocol: String::new(),
            request: format!("GET {path}"),
            answer: "all of it was here".to_owned(),
            sent: 0,
            received: 0,
        };
        if from < part.size {
            let download = client.download(&path, from).await.map_err(|error| match error {
                CallError::Refused { refusal, .. } => {
                    Stop::Failed(Reason::PartsMissing, format!("part {}: {}", part.name, refusal.detail))
                }
                error => error.into(),
            })?;
            let (first, mut response, exchange) = download;
            wire = exchange;
            if first != from {
                // It begins elsewhere; only the beginning is of use.
                let (owner, wanted) = (operator.clone(), part.clone());
                on_disk(&self.tre, move |tre| tre.unstage(&owner, &wanted)).await?;
                from = 0;
                if first != 0 {
                    return Err(Stop::Later(
                        "the DPF sends another range than was asked for".to_owned(),
                        None,
                    ));
                }
            }
            let mut gathered = Vec::new();
            loop {
                let chunk = response.chunk().await;
                let over = !matches!(chunk, Ok(Some(_)));
                if let Ok(Some(chunk)) = &chunk {
                    gathered.extend_from_slice(chunk);
                }
                if from + gathered.len() as u64 > part.size {
                    let (owner, wanted) = (operator.clone(), part.clone());
                    on_disk(&self.tre, move |tre| tre.unstage(&owner, &wanted)).await?;
                    let detail = format!("part {}: more came than the operator signed", part.name);
                    return Err(Stop::Failed(Reason::WrongDigest, detail));
                }
                if !gathered.is_empty() && (over || gathered.len() >= GATHER) {
                    from += gathered.len() as u64;
                    let (owner, wanted, octets) =
                        (operator.clone(), part.clone(), std::mem::take(&mut gathered));
                    on_disk(&self.tre, move |tre| tre.stage(&owner, &wanted, &octets)).await?;
                    patience.progress();
                }
                if let Err(error) = chunk {
                    let why = format!("cut after {from} of {} octets: {error}", part.size);
                    return Err(Stop::Later(why, None));
                }
                if over {
                    break;
                }
            }
            if from < part.size {
                let why = format!("ended after {from} of {} octets", part.size);
                return Err(Stop::Later(why, None));
            }
        }
        wire.received = from - begun.min(from);
        let (owner, wanted) = (operator.clone(), part.clone());
        on_disk(&self.tre, move |tre| tre.finish_staged(&owner, &wanted)).await?;
        Ok(wire)
    }
}
