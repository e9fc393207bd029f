//! Answers as server-sent events, written as they come.

use crate::base::{fault::Fault, inference::Answer};
use crate::gateway::{Client, requests::answers::Answers};
use crate::wire::json::{flat, text::Append};
use bytes::Bytes;
use std::sync::Arc;
use std::task::{Context, Poll};

/// What is at hand goes out in one write, up to about so many bytes.
const TOGETHER: usize = 16 << 10;

#[derive(Debug)]
pub(super) struct Events {
    client: Arc<Client>,
    answers: Answers,
    /// Written, and not yet given out.
    out: Vec<u8>,
    end: Option<End>,
}

/// No more is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The reader has all, once it has what is written.
    Whole,
    /// It was told what went wrong.
    Told,
}

impl Events {
    /// `first`: the first answer; `None` if there is none. The fault is of one that cannot be told.
    pub(super) fn begin(
        client: Arc<Client>,
        mut answers: Answers,
        first: Option<Answer>,
    ) -> Result<Events, Fault> {
        let mut out = Vec::new();
        match &first {
            Some(answer) => event(&mut out, answer).map_err(|fault| answers.fail(fault))?,
            None => answers.delivered(),
        }
        Ok(Events { client, answers, out, end: first.is_none().then_some(End::Whole) })
    }

    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        while self.end.is_none() && self.out.len() < TOGETHER {
            match self.answers.poll_next(cx) {
                Poll::Pending => break,
                Poll::Ready(next) => self.say(next),
            }
        }
        let mut events = [Bytes::from(std::mem::take(&mut self.out))];
        if let Err(fault) = self.client.count_unread(&mut events) {
            let fault = self.answers.fail(fault);
            self.tell(&fault);
            events = [Bytes::from(std::mem::take(&mut self.out))];
        }
        if self.end == Some(End::Whole) {
            self.answers.delivered();
        }
        let [events] = events;
        match events.is_empty() {
            false => Poll::Ready(Some(events)),
            true if self.end.is_some() => Poll::Ready(None),
            true => Poll::Pending,
        }
    }

    /// Bytes that are here and not in an event.
    pub(super) fn unread(&self) -> usize {
        self.answers.unread()
    }

    fn say(&mut self, next: Option<Result<Answer, Fault>>) {
        match next {
            Some(Ok(answer)) => {
                let before = self.out.len();
                if let Err(fault) = event(&mut self.out, &answer) {
                    self.out.truncate(before);
                    let fault = self.answers.fail(fault);
                    self.tell(&fault);
                }
            }
            Some(Err(fault)) => self.tell(&fault),
            None => self.end = Some(End::Whole),
        }
    }

    /// The status is said already: what went wrong is an event.
    fn tell(&mut self, fault: &Fault) {
        self.end = Some(End::Told);
        self.out.text("data: {\"error\":");
        self.out.string(&fault.note);
        self.out.text("}\n\n");
    }
}

/// JSON has no line breaks, so that one line holds it.
fn event(out: &mut Vec<u8>, answer: &Answer) -> Result<(), Fault> {
    out.text("data: ");
    flat::write(out, answer)?;
    out.text("\n\n");
    Ok(())
}
