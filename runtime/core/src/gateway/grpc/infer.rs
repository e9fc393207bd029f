//! `ModelInfer`.

use super::{
    body::{Message, Messages},
    call::{Call, Told, unless_reset},
    send,
};
use crate::base::{
    fault::Fault,
    inference::{Answer, Inference},
    units::Tick,
};
use crate::gateway::{
    Reserved,
    memory::growing,
    requests::{
        shared::{self, Destinations},
        stages,
    },
};
use crate::wire::{
    budget::Budget,
    oip_proto::{
        answer::{self, Pieces},
        request::{Request, Surroundings},
    },
};
use bytes::Bytes;
use futures_util::future::Either;
use h2::server::SendResponse;
use std::future::ready;
use std::pin::pin;
use tokio::task::JoinHandle;

/// Typed contents beyond this are written out on a thread of their own: a megabyte of varints takes milliseconds, in
/// which one of few threads would serve nobody else.
const LONG: usize = 256 << 10;

/// A message that was read, and the right to the memory it takes.
type Read = (Box<Inference>, Reserved);

pub(super) async fn unary(
    call: &Call,
    messages: &mut Messages,
    respond: &mut SendResponse<Bytes>,
) -> Result<(), send::Gone> {
    let answered = {
        let work = pin!(async {
            let read = async {
                let message = messages.only().await?;
                call.inference(message, call.arrived, &mut Told::default()).await
            };
            let read = call.gateway().hear(pin!(read)).await;
            let read = read.map_err(|fault| call.gateway().turned_away(fault, "", None));
            let (inference, reserved, destinations) = read?;
            let written = |mut answer: Answer| {
                let told = stages::Told::of(&mut answer, call.head.timing);
                call.counted(answer::unary(&answer)).map(|pieces| (told, pieces))
            };
            let deliver = |mut answer: Answer| match destinations.are_none() {
                true => Either::Left(ready(written(answer))),
                false => Either::Right(Box::pin(async move {
                    destinations.fill(&mut answer).await?;
                    written(answer)
                })),
            };
            call.gateway().infer(inference, reserved, deliver).await
        });
        unless_reset(respond, work).await?
    };
    match answered {
        Ok((told, pieces)) => send::answer(&call.client, respond, Some(told), pieces).await,
        Err(fault) => send::fail(respond, &fault),
    }
}

impl Call {
    /// An answer's pieces, which wait for the client to take them.
    pub(super) fn counted(&self, pieces: Result<Pieces, Fault>) -> Result<Pieces, Fault> {
        let mut pieces = pieces?;
        self.client.count_unread(&mut pieces)?;
        Ok(pieces)
    }

    /// What a message asks. `told` is filled as soon as it is known, for those whose rest is refused.
    pub(super) async fn inference(
        &self,
        message: Message,
        arrived: Tick,
        told: &mut Told,
    ) -> Result<(Box<Inference>, Reserved, Destinations), Fault> {
        let message = self.unpack(message).await?;
        let place = growing::place(&message.body);
        let (mut inference, mut reserved) = match self.read(message, arrived, told)? {
            Either::Left(read) => read,
            Either::Right(aside) => {
                let lost = |_| Err(Fault::internal("the reading of a message was given up"));
                aside.await.unwrap_or_else(lost)?
            }
        };
        let destinations = match shared::is_shared(&inference) {
            true => Box::pin(self.client.fetch(&mut inference, &mut reserved)).await?,
            false => Destinations::default(),
        };
        let reserved = growing::widen(reserved, &place, &inference.inputs)?;
        Ok((inference, reserved, destinations)) // from here on the tensors alone hold the body
    }

    /// No part of a future: the message that it looks at would stay in that.
    fn read(
        &self,
        message: Message,
        arrived: Tick,
        told: &mut Told,
    ) -> Result<Either<Read, JoinHandle<Result<Read, Fault>>>, Fault> {
        let Message { body, mut reserved, .. } = message;
        let request = Request::read(&body)?;
        told.id.clone_from(&request.id);
        told.wants_last = request.wants_last();
        self.gateway().check_name(request.names_version(), self.may_name_versions)?;
        let (deadline, facts, traced) = (self.deadline, self.facts.clone(), self.head.timing);
        let callers = self.callers.clone();
        let around = Surroundings { arrived, deadline, facts, traced, callers };
        let most = self.gateway().limits().body_bytes;
        let long = request.contents_bytes() > LONG;
        let read = move |request: Request<'_>, body: &Bytes| {
            let mut leave = |more| reserved.grow(more);
            let mut budget = Budget::new(most, body.len(), &mut leave);
            // Boxed: it goes through many hands, and each would copy it.
            let inference = Box::new(request.into_inference(body, around, &mut budget)?);
            Ok((inference, reserved))
        };
        if !long {
            return read(request, &body).map(Either::Left);
        }
        drop(request);
        // Read once more there: it lies in the body, which goes along.
        Ok(Either::Right(tokio::task::spawn_blocking(move || read(Request::read(&body)?, &body))))
    }
}
