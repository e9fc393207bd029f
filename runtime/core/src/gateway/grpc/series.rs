//! What the models of a host count themselves, as that tells it.

use super::{
    body::Messages,
    call::{Call, unless_reset},
    send,
};
use crate::base::{
    fault::{Fault, Kind},
    series::Telling,
};
use crate::wire::oip_proto::answer::{PREFIX, put_prefix};
use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use std::pin::pin;

pub(super) async fn take(
    call: Call,
    mut messages: Messages,
    respond: &mut SendResponse<Bytes>,
) -> Result<(), send::Gone> {
    let taken = pin!(async {
        if !call.client.is_host {
            return Err(Fault::new(Kind::Unsupported, "this method is for hosts of this server"));
        }
        let message = call.unpack(messages.only().await?).await?;
        call.client.tells(Telling::parse(&message.body).map_err(Fault::invalid)?);
        let mut nothing = BytesMut::with_capacity(PREFIX);
        put_prefix(&mut nothing, 0)?;
        Ok(nothing.freeze())
    });
    match unless_reset(respond, taken).await? {
        Ok(message) => send::answer(&call.client, respond, None, [message].into_iter().collect()).await,
        Err(fault) => send::fail(respond, &call.gateway().told(fault, "", None)),
    }
}
