//! `ModelInfer`.

use super::{
    body::{Message, Messages},
    call::{Call, unless_reset},
    send,
};
use crate::base::{fault::Fault, inference::Answer};
use crate::wire::oip_proto::{
    answer,
    request::{Request, Surroundings},
};
use bytes::Bytes;
use h2::server::SendResponse;

pub(super) async fn unary(
    call: Call,
    mut messages: Messages,
    respond: &mut SendResponse<Bytes>,
) -> Result<(), send::Gone> {
    let answered = unless_reset(respond, async {
        let message = call.unpack(messages.only().await?).await?;
        let request = Request::read(&message.body)?;
        let inference = request.into_inference(&message.body, call.surroundings())?;
        let Message { body, reserved, .. } = message;
        drop(body); // from here on the tensors alone hold it
        call.gateway.infer(inference, reserved).await
    });
    let answered = answered.await?.and_then(|answer| {
        let pieces = answer::unary(&answer).map_err(|fault| call.report(fault, &answer))?;
        Ok((answer.contract.version, pieces))
    });
    match answered {
        Ok((version, pieces)) => send::answer(respond, Some(version), pieces, call.patience).await,
        Err(fault) => send::fail(respond, &fault),
    }
}

impl Call {
    pub(super) fn surroundings(&self) -> Surroundings {
        Surroundings {
            arrived: self.arrived,
            deadline: self.deadline,
            facts: self.facts.clone(),
            budget: self.gateway.limits().body_bytes,
        }
    }

    /// An answer that was made but cannot be written.
    pub(super) fn report(&self, fault: Fault, answer: &Answer) -> Fault {
        self.gateway.report(fault, &answer.contract.model, Some(answer.contract.version))
    }
}
