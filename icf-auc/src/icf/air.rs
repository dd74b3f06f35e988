//! The path of an AIR: from memory where that is possible, else by way of the store.

use std::{sync::Arc, time::Instant};

use s6a::{
    app::{AuthenticationInformationAnswer, AuthenticationInformationRequest},
    base::Refusal,
    codec::{Message, ResultCode},
    net::{Answer, PeerInfo},
};

use super::{
    application::{Answered, Icf, S6a, number},
    memory::Unavailable,
    metrics::Command,
    nodes::RequestingNode,
    subscriber::Subscriber,
};
use crate::{
    auc::{
        functions::PreparedKeys,
        lease::Taken,
        random::{OsRand, RandSource},
        resync::{self, ResynchronizationInfo},
        vector::{EutranVector, UtranVector},
    },
    model::Timestamp,
    procedure::{
        self, Cause, Refused,
        air::{Plan, Vectors},
    },
    store::{Done, Op},
};

type Air<'a> = AuthenticationInformationRequest<'a>;

impl S6a {
    /// Answers from memory if node, subscriber and lease are there; else later.
    pub(super) fn air(
        &self,
        from: &Arc<PeerInfo>,
        message: &Message<'_>,
        answer: Answer<'_>,
        begun: Instant,
    ) {
        let icf = &*self.0;
        let request = match Air::decode(message) {
            Ok(request) => request,
            Err(error) => return answer.refuse(&error),
        };
        let imsi = match procedure::imsi(request.user_name) {
            Ok(imsi) => imsi,
            Err(refused) => return answer.refuse(&refused),
        };
        let (Some(node), Some(subscriber)) =
            (icf.nodes.get(request.origin_host), icf.memory.subscribers().get(imsi))
        else {
            icf.metrics.cache_misses.inc();
            return self.later(from, Command::Air, answer, begun);
        };
        icf.metrics.cache_hits.inc();
        let plan = procedure::air::decide(
            &request,
            Some(&subscriber.snapshot()),
            node.max_vectors,
            Timestamp::now(),
            &icf.causes,
        );
        let plan = match plan {
            Ok(plan) => plan,
            Err(refused) => {
                super::application::refused(Command::Air, message, &refused);
                node.metrics.request(Command::Air);
                answer.refuse(Refusal::from(&refused));
                return node.metrics.answer(Command::Air, number(refused.outcome), begun);
            }
        };
        let Some(keys) = subscriber.keys.as_ref().filter(|_| plan.resync.is_none()) else {
            return self.later(from, Command::Air, answer, begun);
        };
        let (taken, low) = {
            let mut numbers = subscriber.numbers();
            (numbers.seqs.take(plan.seqs()), numbers.is_low())
        };
        let Some(taken) = taken else { return self.later(from, Command::Air, answer, begun) };
        let made = icf.vectors(&plan, &subscriber, keys, &node, taken);
        let made = made.and_then(|made| match icf.memory.check_instance() {
            Ok(()) => Ok(made),
            Err(error) => Err(icf.unavailable(error.into())),
        });
        match made {
            Ok(made) => {
                answer.now(|out| made.write(icf, &request, message, out));
                node.metrics.request(Command::Air);
                node.metrics.answer(Command::Air, ResultCode::SUCCESS.0, begun);
            }
            Err(refused) => {
                answer.refuse(Refusal::from(&refused));
                node.metrics.request(Command::Air);
                node.metrics.answer(Command::Air, number(refused.outcome), begun);
            }
        }
        if low && subscriber.leasing.try_lock().is_ok() {
            let memory = icf.memory.clone();
            let subscriber = Arc::clone(&subscriber);
            tokio::spawn(async move { memory.extend(plan.imsi, &subscriber).await });
        }
    }
}

/// Vectors of one answer.
struct Made {
    eutran: Few<EutranVector>,
    utran: Few<UtranVector>,
}

/// One vector is the rule: it needs no allocation.
enum Few<T> {
    One([T; 1]),
    Many(Vec<T>),
}

impl<T> Few<T> {
    fn make(count: u32, mut one: impl FnMut() -> Result<T, Refused>) -> Result<Self, Refused> {
        if count == 1 {
            return Ok(Self::One([one()?]));
        }
        (0..count).map(|_| one()).collect::<Result<_, _>>().map(Self::Many)
    }

    fn slice(&self) -> &[T] {
        match self {
            Self::One(one) => one,
            Self::Many(many) => many,
        }
    }
}

impl Made {
    fn write(&self, icf: &Icf, request: &Air<'_>, message: &Message<'_>, out: &mut Vec<u8>) {
        let vectors = Vectors::computed(self.eutran.slice(), self.utran.slice());
        icf.write_aia(&vectors, request, message, out);
    }
}

impl Icf {
    /// Makes the vectors of a plan, a SEQ each, in order.
    fn vectors(
        &self,
        plan: &Plan,
        subscriber: &Subscriber,
        keys: &PreparedKeys,
        node: &RequestingNode,
        mut taken: Taken,
    ) -> Result<Made, Refused> {
        let mut next = || {
            let sqn = taken.next().and_then(|seq| subscriber.sqn(seq, node.ind));
            let sqn = sqn.ok_or_else(|| self.causes.refuse(Cause::SequenceExhausted))?;
            let rand = OsRand.rand().map_err(|error| {
                tracing::error!(%error, "no vector");
                self.causes.refuse(Cause::Unavailable)
            })?;
            Ok::<_, Refused>((sqn, rand))
        };
        let eutran = Few::make(plan.eutran, || {
            let (sqn, rand) = next()?;
            Ok(EutranVector::generate(keys, rand, sqn, subscriber.amf, plan.visited_plmn))
        })?;
        let utran = Few::make(plan.utran, || {
            let (sqn, rand) = next()?;
            Ok(UtranVector::generate(keys, rand, sqn, subscriber.amf))
        })?;
        self.metrics.vectors.inc_by(u64::from(plan.seqs()));
        Ok(Made { eutran, utran })
    }

    fn write_aia(&self, vectors: &Vectors<'_>, request: &Air<'_>, message: &Message<'_>, out: &mut Vec<u8>) {
        AuthenticationInformationAnswer {
            session_id: request.session_id,
            origin_host: &self.origin_host,
            origin_realm: &self.origin_realm,
            proxy_info: request.proxy_info,
            ..vectors.answer()
        }
        .encode(out, &message.header);
    }

    /// An AIR that needs the store: an unknown node or subscriber, a lease, a resynchronisation, an AV pool.
    pub(super) async fn air_from_store(
        &self,
        from: &PeerInfo,
        message: &Message<'_>,
    ) -> (Result<Answered, Refused>, Option<Arc<RequestingNode>>) {
        let request = match Air::decode(message) {
            Ok(request) => request,
            Err(error) => return (Err(error.into()), None),
        };
        let node = match self.meet(from, request.origin_host).await {
            Ok(node) => node,
            Err(refused) => return (Err(refused), None),
        };
        (self.air_for(&node, &request, message).await, Some(node))
    }

    async fn air_for(
        &self,
        node: &RequestingNode,
        request: &Air<'_>,
        message: &Message<'_>,
    ) -> Result<Answered, Refused> {
        let imsi = procedure::imsi(request.user_name)?;
        let subscriber = self.memory.subscriber(imsi).await.map_err(|e| self.unavailable(e))?;
        let snapshot = subscriber.as_ref().map(|subscriber| subscriber.snapshot());
        let plan = procedure::air::decide(
            request,
            snapshot.as_ref().map(|snapshot| &***snapshot),
            node.max_vectors,
            Timestamp::now(),
            &self.causes,
        )?;
        drop(snapshot);
        let Some(subscriber) = subscriber else { return Err(self.causes.refuse(Cause::Unknown)) };
        let mut bytes = Vec::with_capacity(512);
        match &subscriber.keys {
            Some(keys) => {
                let taken = match plan.resync {
                    Some(info) => self.resynchronised(&plan, &subscriber, keys, &info).await?,
                    None => {
                        let seqs = self.memory.seqs(imsi, &subscriber, plan.seqs()).await;
                        seqs.map_err(|e| self.unavailable(e))?
                    }
                };
                let made = self.vectors(&plan, &subscriber, keys, node, taken)?;
                made.write(self, request, message, &mut bytes);
            }
            None => {
                let done = self.memory.commit(Op::TakeVectors { imsi, count: plan.eutran }).await;
                let Done::Vectors(pool) = done.map_err(|e| self.unavailable(e))? else {
                    return Err(self.causes.refuse(Cause::Unavailable));
                };
                if pool.is_empty() {
                    tracing::warn!(%imsi, "the AV pool is dry: add vectors");
                    return Err(self.causes.refuse(Cause::NoVectors));
                }
                self.metrics.vectors.inc_by(pool.len() as u64);
                self.write_aia(&Vectors::pooled(&pool), request, message, &mut bytes);
            }
        }
        Ok(Answered { bytes, result: ResultCode::SUCCESS.0 })
    }

    /// Verifies the AUTS before anything changes (TS 33.102 §6.3.5), then takes SEQs that the USIM accepts.
    async fn resynchronised(
        &self,
        plan: &Plan,
        subscriber: &Subscriber,
        keys: &PreparedKeys,
        info: &ResynchronizationInfo,
    ) -> Result<Taken, Refused> {
        let imsi = plan.imsi;
        let sqn_ms = resync::verify(keys, info).map_err(|error| {
            self.metrics.resyncs.with_label_values(&["mac-failure"]).inc();
            tracing::warn!(%imsi, %error, "resynchronisation refused");
            self.causes.refuse(Cause::ResyncFailed)
        })?;
        let done = self.memory.resynchronise(imsi, subscriber, sqn_ms, plan.seqs()).await;
        let (taken, decided) = done.map_err(|error| {
            if let Unavailable::Resync(decided) = error {
                self.metrics.resyncs.with_label_values(&["impossible"]).inc();
                tracing::error!(
                    %imsi, ?decided,
                    "the USIM's sequence number cannot be followed: give the device another credential \
                     (was this one's database restored from a backup, or imported with a wrong SQN?)"
                );
            }
            self.unavailable(error)
        })?;
        let outcome = if decided == resync::Resync::Keep { "not needed" } else { "raised" };
        self.metrics.resyncs.with_label_values(&[outcome]).inc();
        tracing::info!(%imsi, outcome, "resynchronised");
        Ok(taken)
    }
}
