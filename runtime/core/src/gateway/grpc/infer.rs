//! `ModelInfer`.

use super::{
    body::{Message, Messages},
    call::{Call, unless_reset},
    send,
};
use crate::base::{
    fault::Fault,
    inference::{Answer, Inference},
    units::Tick,
};
use crate::gateway::{Reserved, growing};
use crate::wire::oip_proto::{
    answer,
    request::{Request, Surroundings},
};
use bytes::Bytes;
use compact_str::CompactString;
use h2::server::SendResponse;

pub(super) async fn unary(
    call: Call,
    mut messages: Messages,
    respond: &mut SendResponse<Bytes>,
) -> Result<(), send::Gone> {
    let answered = unless_reset(respond, async {
        let read = async {
            let message = messages.only().await?;
            call.inference(message, call.arrived, &mut CompactString::default()).await
        };
        let read = call.gateway.hear(read).await;
        let (inference, reserved) = read.map_err(|fault| call.gateway.turned_away(fault, "", None))?;
        call.gateway.infer(inference, reserved).await
    });
    let answered = answered.await?.and_then(|answer| {
        let pieces = answer::unary(&answer).map_err(|fault| call.unwritten(fault, &answer))?;
        Ok((answer.contract.version, pieces))
    });
    match answered {
        Ok((version, pieces)) => send::answer(respond, Some(version), pieces, call.patience).await,
        Err(fault) => send::fail(respond, &fault),
    }
}

impl Call {
    /// What a message asks. `id` is told as soon as it is known, for those whose rest is refused.
    pub(super) async fn inference(
        &self,
        message: Message,
        arrived: Tick,
        id: &mut CompactString,
    ) -> Result<(Inference, Reserved), Fault> {
        let message = self.unpack(message).await?;
        let request = Request::read(&message.body)?;
        id.clone_from(&request.id);
        let around = Surroundings {
            arrived,
            deadline: self.deadline,
            facts: self.facts.clone(),
            budget: self.gateway.limits().body_bytes,
        };
        let inference = request.into_inference(&message.body, around)?;
        let Message { body, reserved, .. } = message;
        let reserved = growing::widen(&self.gateway, reserved, &growing::place(&body), &inference.inputs)?;
        Ok((inference, reserved)) // from here on the tensors alone hold the body
    }

    /// An answer that was made but cannot be written.
    pub(super) fn unwritten(&self, fault: Fault, answer: &Answer) -> Fault {
        self.gateway.told(fault, &answer.contract.model, Some(answer.contract.version))
    }
}
