//! What the MME sends one UE, taken: TS 36.413 §8.2, §8.3, §8.6.2.

use oxirush_s1ap::s1ap::{Cause, CauseProtocol, CauseRadioNetwork, RRCEstablishmentCause};

use super::super::messages::{self, Erab, Ids, MmeKey};
use super::super::registry::ToUe;
use super::{Connection, EventKind, Happened, S1Error, S1Ue, of};
use crate::nas::{EmmState, Way};

impl S1Ue {
    pub(super) async fn take(&mut self, mail: ToUe) -> Result<Vec<Happened>, S1Error> {
        if let Some(enb) = mail.enb()
            && self.connection.is_none_or(|connection| connection.enb != enb)
        {
            return self.late(mail).await;
        }
        if let Some(ids) = mail.ids()
            && let Some(Connection { mme: Some(mme), .. }) = self.connection
            && mme != ids.mme
        {
            return self.mistaken(ids).await;
        }
        match mail {
            ToUe::Nas(ids, nas) => {
                self.answered(ids);
                self.tell(|| EventKind::S1(Way::Down, "DOWNLINK NAS TRANSPORT", of(ids)));
                self.nas_down(&nas).await
            }
            ToUe::ContextSetup { ids, erabs, not, key, ambr } => {
                self.answered(ids);
                self.context_setup(ids, (erabs, not), key, ambr).await
            }
            ToUe::ContextModification(ids) => {
                self.tell(|| EventKind::S1(Way::Down, "UE CONTEXT MODIFICATION REQUEST", of(ids)));
                self.reply(ids, messages::modification_response(ids)?).await?;
                Ok(Vec::new())
            }
            ToUe::ErabSetup(ids, erabs, mut not) => {
                self.tell(|| EventKind::S1(Way::Down, "E-RAB SETUP REQUEST", of(ids)));
                // §8.2.1.4: what is there already is not set up once more.
                let (erabs, twice): (Vec<_>, Vec<_>) =
                    erabs.into_iter().partition(|erab| !self.erabs.contains_key(&erab.id));
                let again = Cause::radioNetwork(CauseRadioNetwork::multiple_E_RAB_ID_instances);
                not.extend(twice.iter().map(|erab| (erab.id, again.clone())));
                let installed = self.install(ids.enb, &erabs);
                let at = self.enb.config().user_plane;
                self.reply(ids, messages::erab_setup_response(ids, at, &installed, &not)?).await?;
                self.nas_of(erabs).await
            }
            ToUe::ErabModify(ids, erabs) => {
                self.tell(|| EventKind::S1(Way::Down, "E-RAB MODIFY REQUEST", of(ids)));
                let (erabs, unknown): (Vec<_>, Vec<_>) =
                    erabs.into_iter().partition(|(id, _)| self.erabs.contains_key(id));
                let numbers = |erabs: &[(u8, Vec<u8>)]| erabs.iter().map(|(id, _)| *id).collect::<Vec<_>>();
                let response = messages::erab_modify_response(ids, &numbers(&erabs), &numbers(&unknown))?;
                self.reply(ids, response).await?;
                let mut happened = Vec::new();
                for (_, nas) in erabs {
                    happened.extend(self.nas_down(&nas).await?);
                }
                Ok(happened)
            }
            ToUe::ErabRelease(ids, erabs, nas) => {
                self.tell(|| EventKind::S1(Way::Down, "E-RAB RELEASE COMMAND", of(ids)));
                let (erabs, unknown): (Vec<u8>, Vec<u8>) =
                    erabs.into_iter().partition(|erab| self.erabs.remove(erab).is_some());
                for erab in &erabs {
                    self.enb.user_plane().remove(ids.enb, *erab);
                }
                self.reply(ids, messages::erab_release_response(ids, &erabs, &unknown)?).await?;
                match nas {
                    Some(nas) => self.nas_down(&nas).await,
                    None => Ok(Vec::new()),
                }
            }
            ToUe::Release(ids, cause) => {
                self.tell(|| EventKind::S1(Way::Down, "UE CONTEXT RELEASE COMMAND", of(ids)));
                self.reply(ids, messages::release_complete(ids)?).await?;
                self.released(cause).await
            }
            ToUe::Gone(_, why) => self.released(why).await,
            ToUe::Paged { by_imsi } => {
                if self.connection.is_some()
                    || self.nas.state() == EmmState::Deregistered
                    || self.nas.is_barred()
                {
                    return Ok(Vec::new());
                }
                self.tell(|| EventKind::Paged);
                if by_imsi {
                    let outputs = self.nas.paged_by_imsi();
                    return self.act(outputs, RRCEstablishmentCause::mt_Access).await;
                }
                Ok(vec![Happened::Paged])
            }
        }
    }

    /// What waited here while its connection ended. The next one is not to pay for it; the MME is told what the eNB
    /// would have told it.
    async fn late(&mut self, mail: ToUe) -> Result<Vec<Happened>, S1Error> {
        let lost = mail.enb().is_some_and(|enb| self.enb.registry().is_lost(enb));
        let answer = match (mail.ids(), mail) {
            (None, _) => return Ok(Vec::new()),
            (Some(ids), ToUe::Release(..)) => {
                self.enb.registry().forget_lost(ids.enb);
                messages::release_complete(ids)?
            }
            (Some(ids), ToUe::Nas(_, nas)) if lost => {
                messages::non_delivery(ids, nas, CauseRadioNetwork::radio_connection_with_ue_lost)?
            }
            (Some(ids), _) => {
                messages::error_about(ids, Cause::radioNetwork(CauseRadioNetwork::unknown_enb_ue_s1ap_id))?
            }
        };
        // Of a connection that has ended nothing depends on the answer.
        let _ = self.enb.send(0, &answer).await;
        Ok(Vec::new())
    }

    /// TS 36.413 §10.6: the MME means another connection by this identifier. It is told so, and both forget theirs.
    async fn mistaken(&mut self, ids: Ids) -> Result<Vec<Happened>, S1Error> {
        let cause = Cause::radioNetwork(CauseRadioNetwork::unknown_pair_ue_s1ap_id);
        self.reply(ids, messages::error_about(ids, cause)?).await?;
        self.released("the MME knows the connection by another identifier".to_owned()).await
    }

    /// INITIAL CONTEXT SETUP, TS 36.413 §8.3.1.
    async fn context_setup(
        &mut self,
        ids: Ids,
        (erabs, not): (Vec<Erab>, Vec<(u8, Cause)>),
        key: Option<MmeKey>,
        ambr: Option<(u64, u64)>,
    ) -> Result<Vec<Happened>, S1Error> {
        self.tell(|| EventKind::S1(Way::Down, "INITIAL CONTEXT SETUP REQUEST", of(ids)));
        let Some(key) = key else {
            // It is there, and has not the length of a key.
            let cause = Cause::protocol(CauseProtocol::abstract_syntax_error_reject);
            self.reply(ids, messages::context_setup_failure(ids, cause, None)?).await?;
            return Ok(Vec::new());
        };
        let agree = self.nas.kenb().is_some_and(|ours| key.is(ours));
        if !agree {
            self.tell(|| EventKind::KeysDiffer);
            let cause = Cause::radioNetwork(CauseRadioNetwork::failure_in_radio_interface_procedure);
            self.reply(ids, messages::context_setup_failure(ids, cause, None)?).await?;
            return Ok(vec![Happened::KeysDiffer]);
        }
        self.tell(|| EventKind::KeysAgree);
        if erabs.is_empty() {
            // §8.3.1.3: there has to be one at least.
            let none = Cause::radioNetwork(CauseRadioNetwork::unspecified);
            let cause = not.into_iter().next().map_or(none, |(_, cause)| cause);
            self.reply(ids, messages::context_setup_failure(ids, cause, None)?).await?;
            return Ok(Vec::new());
        }
        let installed = self.install(ids.enb, &erabs);
        self.tell(|| EventKind::BearersSetUp(words(&erabs, ambr)));
        let at = self.enb.config().user_plane;
        self.reply(ids, messages::context_setup_response(ids, at, &installed, &not)?).await?;
        if let Some(connection) = &mut self.connection {
            connection.bearers = true;
        }
        let mut happened = self.nas_of(erabs).await?;
        let outputs = self.nas.bearers_established();
        happened.extend(self.act(outputs, RRCEstablishmentCause::mo_Signalling).await?);
        happened.push(Happened::BearersSetUp);
        Ok(happened)
    }

    /// The eNB's end of each bearer: its E-RAB identity and TEID.
    fn install(&mut self, enb: u32, erabs: &[Erab]) -> Vec<(u8, u32)> {
        let mut installed = Vec::new();
        for erab in erabs {
            let teid =
                self.enb.user_plane().install(self.nas.imsi(), enb, erab.id, (erab.address, erab.teid));
            installed.push((erab.id, teid));
            self.erabs.insert(erab.id, Erab { nas: None, ..erab.clone() });
        }
        installed
    }

    async fn nas_of(&mut self, erabs: Vec<Erab>) -> Result<Vec<Happened>, S1Error> {
        let mut happened = Vec::new();
        for nas in erabs.into_iter().filter_map(|erab| erab.nas) {
            happened.extend(self.nas_down(&nas).await?);
        }
        Ok(happened)
    }

    async fn nas_down(&mut self, nas: &[u8]) -> Result<Vec<Happened>, S1Error> {
        let outputs = self.nas.downlink(nas);
        self.act(outputs, RRCEstablishmentCause::mo_Signalling).await
    }
}

fn words(erabs: &[Erab], ambr: Option<(u64, u64)>) -> String {
    let erabs: Vec<String> = erabs
        .iter()
        .map(|erab| {
            format!("E-RAB {}, QCI {}, S1-U {} TEID {:08x}", erab.id, erab.qci, erab.address, erab.teid)
        })
        .collect();
    match ambr {
        Some((down, up)) => format!("{}; UE-AMBR {}/{} kbit/s", erabs.join("; "), down / 1000, up / 1000),
        None => erabs.join("; "),
    }
}
