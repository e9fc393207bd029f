//! `ModelStreamInfer`: requests run side by side, and an error of one request is a message of the stream, not its end.
//! Answers leave in the requests' order, but for those in parts: they leave as they come.

use super::{
    body::{Message, Messages},
    call::{Call, Told},
    idle::{Idle, Verdict},
    order::Line,
    parts::Parts,
    send::{self, Gone},
    status,
    stop::Stop,
};
use crate::base::{
    clock,
    fault::{Fault, Kind},
};
use crate::gateway::requests::{answers::Answers, shared::Destinations};
use crate::wire::oip_proto::answer::{self, Pieces};
use bytes::Bytes;
use compact_str::CompactString;
use futures_util::stream::{FuturesUnordered, SelectAll, StreamExt};
use h2::{SendStream, server::SendResponse};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// Requests of one stream under way; the client's next ones wait in its own window.
const ABREAST: usize = 64;

/// What one request of the stream came to, or a part of it, with its id.
pub(super) type Reply = (CompactString, Result<Pieces, Fault>);

/// How a request is answered.
enum Answered<'a> {
    Once(Reply),
    InParts(Box<Parts<'a>>),
}

enum Event {
    Asked(Result<Message, Fault>),
    AskedLast,
    /// The one at this place in the line.
    Answered(u64, Reply),
    InParts(u64),
    Part(Reply),
    Idle,
    Stopped,
    Over,
}

pub(super) async fn serve(
    call: Call,
    messages: Messages,
    respond: &mut SendResponse<Bytes>,
    mut stop: Stop,
) -> Result<(), Gone> {
    let mut out = send::open(respond, None)?;
    let mut running = FuturesUnordered::new();
    let (mut line, mut parted) = (Line::default(), SelectAll::new());
    let mut reading = pin!(Some(next(messages, false)));
    let mut begun = false;
    let mut idle = Idle::new(call.gateway().limits());
    // Why no more is read, if that is an error: told once what runs is answered.
    let mut ending = None;
    loop {
        let event = poll_fn(|cx| {
            while running.len() + line.len() + parted.len() < ABREAST
                && let Some(part) = reading.as_mut().as_pin_mut()
                && let Poll::Ready((messages, part)) = part.poll(cx)
            {
                begun = matches!(part, Ok(Part::Begin));
                let goes_on = matches!(part, Ok(Part::Begin | Part::Whole(_)));
                reading.set(goes_on.then(|| next(messages, begun)));
                match part {
                    Ok(Part::Begin) => {}
                    Ok(Part::Whole(message)) => return Poll::Ready(Ok(Event::Asked(Ok(message)))),
                    Ok(Part::End) => return Poll::Ready(Ok(Event::AskedLast)),
                    Err(fault) => return Poll::Ready(Ok(Event::Asked(Err(fault)))),
                }
            }
            match running.poll_next_unpin(cx) {
                Poll::Ready(Some((place, Answered::Once(reply)))) => {
                    return Poll::Ready(Ok(Event::Answered(place, reply)));
                }
                Poll::Ready(Some((place, Answered::InParts(parts)))) => {
                    parted.push(parts);
                    return Poll::Ready(Ok(Event::InParts(place)));
                }
                Poll::Ready(None) | Poll::Pending => {}
            }
            if let Poll::Ready(Some(reply)) = parted.poll_next_unpin(cx) {
                return Poll::Ready(Ok(Event::Part(reply)));
            }
            let runs = !running.is_empty() || !parted.is_empty();
            if reading.is_none() && !runs {
                return Poll::Ready(Ok(Event::Over));
            }
            if reading.is_some() && stop.poll(cx) {
                reading.set(None);
                return Poll::Ready(Ok(Event::Stopped));
            }
            let asks_nothing = reading.is_some() && !begun && !runs;
            if idle.poll(cx, clock::now, asks_nothing, || false) != Verdict::Stay {
                reading.set(None);
                return Poll::Ready(Ok(Event::Idle));
            }
            out.poll_reset(cx).map(|_| Err(Gone))
        });
        match event.await? {
            Event::Asked(Ok(message)) => running.push(one(&call, line.place(), message)),
            Event::Asked(Err(fault)) if fault.kind == Kind::Cancelled => return Err(Gone),
            // The messages cannot be told apart any more.
            Event::Asked(Err(fault)) => ending = Some(call.gateway().turned_away(fault, "", None)),
            Event::Idle => {
                let limit = Duration::from_millis(call.gateway().limits().idle_timeout_ms);
                ending = Some(call.gateway().told(asked_nothing(limit), "", None));
            }
            Event::Stopped => ending = Some(call.gateway().told(leaving(), "", None)),
            Event::AskedLast => {}
            Event::Answered(place, reply) => line.came(place, Some(reply)),
            Event::InParts(place) => line.came(place, None),
            Event::Part(reply) => {
                if !say(&call, &mut out, reply, true).await? {
                    return Ok(());
                }
            }
            Event::Over => {
                return match ending {
                    None => Ok(out.send_trailers(status::ok())?),
                    Some(fault) => end(&mut out, &fault),
                };
            }
        }
        while let Some(reply) = line.pop() {
            if !say(&call, &mut out, reply, false).await? {
                return Ok(());
            }
        }
    }
}

fn leaving() -> Fault {
    Fault::new(Kind::Unavailable, "Server exiting: the stream ends here, open another one")
}

/// A stream that is open is served like any request, and so many may be: who asks nothing makes room.
fn asked_nothing(limit: Duration) -> Fault {
    let note = format!("the stream asked nothing for {limit:?} (limit idle_timeout_ms): open another one");
    Fault::new(Kind::Unavailable, note)
}

/// What comes next on a stream.
enum Part {
    Begin,
    Whole(Message),
    End,
}

/// `begun`: a message is under way.
async fn next(mut messages: Messages, begun: bool) -> (Messages, Result<Part, Fault>) {
    let part = match begun {
        true => messages.read().await.map(Part::Whole),
        false => messages.begins().await.map(|begins| if begins { Part::Begin } else { Part::End }),
    };
    (messages, part)
}

/// Runs one request. A message that cannot be read as one has no id to answer under.
async fn one(call: &Call, place: u64, message: Message) -> (u64, Answered<'_>) {
    let mut told = Told::default();
    let opened = async {
        let arrived = clock::now(); // each request has an arrival of its own, the stream one deadline
        let read = pin!(call.inference(message, arrived, &mut told));
        let read = call.gateway().hear(read).await;
        let read = read.map_err(|fault| call.gateway().turned_away(fault, "", None));
        let (inference, reserved, destinations) = read?;
        Ok((call.gateway().open(inference, reserved, &call.client).await?, destinations))
    };
    let opened = opened.await;
    let answered = match opened {
        Ok((mut answers, destinations)) if answers.contract().streams && !destinations.are_none() => {
            let fault = Fault::invalid(
                "an answer in parts cannot go into shared memory, for each part would overwrite the one before: take \
                 'shared_memory_region' out of the outputs' parameters",
            );
            Answered::Once((told.id, Err(answers.fail(fault))))
        }
        Ok((answers, _)) if answers.contract().streams => {
            Answered::InParts(Box::new(Parts { call, told, answers, over: false }))
        }
        Ok((answers, destinations)) => Answered::Once((told.id, only(call, answers, destinations).await)),
        Err(fault) => Answered::Once((told.id, Err(fault))),
    };
    (place, answered)
}

/// The answer of a version that answers once.
async fn only(call: &Call, mut answers: Answers, destinations: Destinations) -> Result<Pieces, Fault> {
    let mut answer = answers.next().await.unwrap_or_else(|| Err(Fault::internal("an answer is none")))?;
    let filled = match destinations.are_none() {
        true => Ok(()),
        false => Box::pin(destinations.fill(&mut answer)).await,
    };
    let pieces = filled.and_then(|()| call.counted(answer::streamed(&answer)));
    let pieces = pieces.map_err(|fault| answers.fail(fault))?;
    answers.delivered();
    Ok(pieces)
}

/// Sends what a request came to, or a part of it; false if it ended the stream.
async fn say(
    call: &Call,
    out: &mut SendStream<Bytes>,
    (id, answered): Reply,
    is_part: bool,
) -> Result<bool, Gone> {
    let pieces = match answered {
        Ok(pieces) => pieces,
        Err(fault) if call.ends_on(&fault) => {
            end(out, &fault)?;
            return Ok(false);
        }
        Err(fault) => answer::streamed_fault(&id, &fault.note).map_err(|_| Gone)?,
    };
    match is_part {
        true => send::part(&call.client, out, pieces).await?,
        false => send::messages(&call.client, out, pieces).await?,
    }
    Ok(true)
}

fn end(out: &mut SendStream<Bytes>, fault: &Fault) -> Result<(), Gone> {
    let mut trailers = http::HeaderMap::with_capacity(2);
    status::write(fault, &mut trailers);
    Ok(out.send_trailers(trailers)?)
}
