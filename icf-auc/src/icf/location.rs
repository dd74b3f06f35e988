//! The path of ULR, PUR and NOR: decided on what is known, made durable, then answered.

use std::sync::Arc;

use s6a::{
    app::{
        NotifyAnswer, NotifyRequest, PurgeUeAnswer, PurgeUeRequest, UpdateLocationAnswer,
        UpdateLocationRequest,
    },
    codec::{Message, ResultCode},
    net::PeerInfo,
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
    ($icf:ident, $from:ident, $message:ident, $request:ty, $serve:ident) => {{
        let request = match <$request>::decode($message) {
            Ok(request) => request,
            Err(error) => return (Err(error.into()), None),
        };
        match $icf.meet($from, request.origin_host).await {
            Ok(node) => ($icf.$serve(&request, $message).await, Some(node)),
            Err(refused) => (Err(refused), None),
        }
    }};
}

impl Icf {
    pub(super) async fn update_location(&self, from: &PeerInfo, message: &Message<'_>) -> Outcome {
        serve!(self, from, message, UpdateLocationRequest<'_>, ulr)
    }

    pub(super) async fn purge(&self, from: &PeerInfo, message: &Message<'_>) -> Outcome {
        serve!(self, from, message, PurgeUeRequest<'_>, pur)
    }

    pub(super) async fn notify(&self, from: &PeerInfo, message: &Message<'_>) -> Outcome {
        serve!(self, from, message, NotifyRequest<'_>, nor)
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
        let mut op = update.op.clone();
        if let Op::Register { count_attach: true, notify, .. } = &mut op {
            *notify = self.notices.is_some();
        }
        let address = match self.carry_out(&subscriber, op).await? {
            Done::Registered { address, .. } => address,
            _ => None,
        };
        let mut bytes = Vec::with_capacity(1024);
        subscription::with_data(&subscriber.snapshot(), address, update.recipient, |data| {
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
            self.carry_out(subscriber, op.clone()).await?;
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
            if self.carry_out(subscriber, notice.renew.clone()).await? != Done::Changed(true) {
                // Another instance has registered the UE elsewhere, and this one has not heard of it yet.
                self.memory.subscribers().invalidate(imsi);
                return Err(nor::unknown_serving_node());
            }
            if let Some(event) = &notice.changed {
                self.carry_out(subscriber, Op::Tell(event.clone())).await?;
            }
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

    /// Makes the operation durable, then lets the memory follow. Gives what became of it.
    async fn carry_out(&self, subscriber: &Arc<Subscriber>, op: Op) -> Result<Done, Refused> {
        let done = self.memory.commit(op.clone()).await.map_err(|error| self.unavailable(error))?;
        self.memory.subscribers().changed(subscriber.snapshot().credential.imsi, subscriber);
        if matches!(&done, Done::Registered { send, .. } if !send.is_empty()) {
            self.wake.queued();
        }
        if let (Op::Register { notify: true, .. }, Some(notices)) = (&op, &self.notices) {
            notices.wake();
        }
        follow(subscriber, &op, &done);
        Ok(done)
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
        (Op::Renew { kind, host, expires_at, imei, .. }, Done::Changed(true)) => {
            subscriber.change(|snapshot| {
                let place = snapshot.registered_mut(*kind);
                if let Some(it) = place.as_ref().filter(|it| it.node.is(host)) {
                    let imei = imei.clone().or_else(|| it.imei.clone());
                    *place = Some(Arc::new(Registration { expires_at: *expires_at, imei, ..(**it).clone() }));
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
