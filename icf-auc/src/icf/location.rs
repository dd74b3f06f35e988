//! The path of ULR, PUR and NOR: decided on what is known, made durable, then answered.

use std::sync::Arc;

use s6a::{
    app::{
        NotifyAnswer, NotifyRequest, PurgeUeAnswer, PurgeUeRequest, UpdateLocationAnswer,
        UpdateLocationRequest,
    },
    codec::{Message, ResultCode},
};

use super::{
    application::{Answered, Icf},
    nodes::RequestingNode,
    subscriber::Subscriber,
};
use crate::{
    model::{Credential, Registration, Timestamp},
    procedure::{self, Cause, Refused, nor, pur, subscription, ulr},
    store::{Done, Op},
};

type Outcome = (Result<Answered, Refused>, Option<Arc<RequestingNode>>);

/// Decodes a request, meets its node, and serves it.
macro_rules! serve {
    ($icf:ident, $message:ident, $request:ty, $serve:ident) => {{
        let request = match <$request>::decode($message) {
            Ok(request) => request,
            Err(error) => return (Err(error.into()), None),
        };
        match $icf.meet(request.origin_host).await {
            Ok(node) => ($icf.$serve(&request, $message).await, Some(node)),
            Err(refused) => (Err(refused), None),
        }
    }};
}

impl Icf {
    pub(super) async fn update_location(&self, message: &Message<'_>) -> Outcome {
        serve!(self, message, UpdateLocationRequest<'_>, ulr)
    }

    pub(super) async fn purge(&self, message: &Message<'_>) -> Outcome {
        serve!(self, message, PurgeUeRequest<'_>, pur)
    }

    pub(super) async fn notify(&self, message: &Message<'_>) -> Outcome {
        serve!(self, message, NotifyRequest<'_>, nor)
    }

    async fn ulr(
        &self,
        request: &UpdateLocationRequest<'_>,
        message: &Message<'_>,
    ) -> Result<Answered, Refused> {
        let imsi = procedure::imsi(request.user_name)?;
        let _turn = self.memory.turn(imsi).await;
        let subscriber = self.memory.subscriber(imsi).await.map_err(|error| self.unavailable(error))?;
        let snapshot = subscriber.as_ref().map(|subscriber| subscriber.snapshot());
        let known = snapshot.as_ref().map(|snapshot| &***snapshot);
        let update = ulr::decide(request, known, Timestamp::now(), &self.causes)?;
        drop(snapshot);
        let Some(subscriber) = subscriber else { return Err(self.causes.refuse(Cause::Unknown)) };
        let address = self.carry_out(&subscriber, vec![update.op.clone()]).await?;
        let mut bytes = Vec::with_capacity(1024);
        subscription::with_data(&subscriber.snapshot(), address, |data| {
            UpdateLocationAnswer {
                session_id: request.session_id,
                origin_host: &self.origin_host,
                origin_realm: &self.origin_realm,
                proxy_info: request.proxy_info,
                ..update.answer(data)
            }
            .encode(&mut bytes, &message.header);
        });
        Ok(Answered { bytes, result: ResultCode::SUCCESS.0 })
    }

    async fn pur(&self, request: &PurgeUeRequest<'_>, message: &Message<'_>) -> Result<Answered, Refused> {
        let imsi = procedure::imsi(request.user_name)?;
        let _turn = self.memory.turn(imsi).await;
        let subscriber = self.memory.known(imsi).await.map_err(|error| self.unavailable(error))?;
        let snapshot = subscriber.as_ref().map(|subscriber| subscriber.snapshot());
        let purge = pur::decide(request, snapshot.as_ref().map(|snapshot| &***snapshot))?;
        drop(snapshot);
        if let (Some(subscriber), Some(op)) = (&subscriber, &purge.op) {
            self.carry_out(subscriber, vec![op.clone()]).await?;
        }
        let mut bytes = Vec::with_capacity(256);
        PurgeUeAnswer {
            session_id: request.session_id,
            origin_host: &self.origin_host,
            origin_realm: &self.origin_realm,
            proxy_info: request.proxy_info,
            ..purge.answer()
        }
        .encode(&mut bytes, &message.header);
        Ok(Answered { bytes, result: ResultCode::SUCCESS.0 })
    }

    async fn nor(&self, request: &NotifyRequest<'_>, message: &Message<'_>) -> Result<Answered, Refused> {
        let imsi = procedure::imsi(request.user_name)?;
        let _turn = self.memory.turn(imsi).await;
        let subscriber = self.memory.known(imsi).await.map_err(|error| self.unavailable(error))?;
        let snapshot = subscriber.as_ref().map(|subscriber| subscriber.snapshot());
        let known = snapshot.as_ref().map(|snapshot| &***snapshot);
        let notice = nor::decide(request, known, Timestamp::now())?;
        drop(snapshot);
        if let Some(subscriber) = &subscriber {
            self.carry_out(subscriber, notice.ops.clone()).await?;
        }
        let mut bytes = Vec::with_capacity(256);
        NotifyAnswer {
            session_id: request.session_id,
            origin_host: &self.origin_host,
            origin_realm: &self.origin_realm,
            proxy_info: request.proxy_info,
            ..notice.answer()
        }
        .encode(&mut bytes, &message.header);
        Ok(Answered { bytes, result: ResultCode::SUCCESS.0 })
    }

    /// Makes the operations durable, then lets the memory follow. Gives the address of the registration.
    async fn carry_out(
        &self,
        subscriber: &Arc<Subscriber>,
        ops: Vec<Op>,
    ) -> Result<Option<std::net::IpAddr>, Refused> {
        let done = self.memory.commit_all(ops.clone()).await.map_err(|error| self.unavailable(error))?;
        let mut address = None;
        for (op, done) in ops.iter().zip(done) {
            let done = done.map_err(|error| self.unavailable(error.into()))?;
            self.memory.subscribers().changed(subscriber.snapshot().credential.imsi, subscriber);
            if let Done::Registered { address: assigned, send } = &done {
                address = *assigned;
                if !send.is_empty() {
                    self.wake.queued();
                }
            }
            follow(subscriber, op, &done);
        }
        Ok(address)
    }
}

/// What the store has done, done to what is in memory.
fn follow(subscriber: &Subscriber, op: &Op, done: &Done) {
    match (op, done) {
        (Op::Register { registration, count_attach, take_over, .. }, Done::Registered { address, .. }) => {
            subscriber.change(|snapshot| {
                if take_over.other_kind.is_some() {
                    (snapshot.registration, snapshot.sgsn) = (None, None);
                }
                let stored = Registration { address: *address, ..Registration::clone(registration) };
                *snapshot.registered_mut(registration.kind) = Some(Arc::new(stored));
                if *count_attach || snapshot.credential.address != *address {
                    let mut credential = Credential::clone(&snapshot.credential);
                    credential.attaches = credential.attaches.saturating_add(u32::from(*count_attach));
                    credential.address = *address;
                    snapshot.credential = Arc::new(credential);
                }
            });
        }
        // What is purged is not in a snapshot read from the store either.
        (Op::Purge { host, .. }, Done::Changed(true)) => subscriber.change(|snapshot| {
            for place in [&mut snapshot.registration, &mut snapshot.sgsn] {
                if place.as_ref().is_some_and(|it| it.node.is(host)) {
                    *place = None;
                }
            }
        }),
        (Op::Deregister { kind, host, .. }, Done::Changed(true)) => subscriber.change(|snapshot| {
            let place = snapshot.registered_mut(*kind);
            if place.as_ref().is_some_and(|it| it.node.is(host)) {
                *place = None;
            }
        }),
        _ => {}
    }
}
