//! A request of a stream whose version answers in parts.

use super::{
    call::{Call, Told},
    stream::Reply,
};
use crate::base::inference::{Answer, Parameters};
use crate::gateway::requests::answers::Answers;
use crate::wire::oip_proto::answer;
use futures_util::stream::Stream;
use smallvec::SmallVec;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Gives out a message for each part, and the last of all if it was asked for.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    pub(super) call: &'a Call,
    pub(super) told: Told,
    pub(super) answers: Answers,
    pub(super) over: bool,
}

impl Parts<'_> {
    fn part(&mut self, answer: &Answer) -> Reply {
        let pieces = self.call.counted(answer::part(answer));
        let pieces = pieces.map_err(|fault| self.answers.fail(fault));
        self.over = pieces.is_err();
        (self.told.id.clone(), pieces)
    }

    /// An empty message that says that no more come: without it a client that has not asked for it hears nothing more.
    fn last(&mut self) -> Option<Reply> {
        self.over = true;
        let empty = || Answer {
            contract: self.answers.contract().clone(),
            id: self.told.id.clone(),
            outputs: SmallVec::new(),
            parameters: Parameters::new(),
            timing: Default::default(),
            prediction: None,
        };
        let last = self.told.wants_last.then(|| self.call.counted(answer::streamed(&empty())));
        self.answers.delivered();
        last.map(|pieces| (self.told.id.clone(), pieces))
    }
}

impl Stream for Parts<'_> {
    type Item = Reply;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Reply>> {
        let this = self.get_mut();
        if this.over {
            return Poll::Ready(None);
        }
        Poll::Ready(match ready!(this.answers.poll_next(cx)) {
            Some(Ok(answer)) => Some(this.part(&answer)),
            Some(Err(fault)) => {
                this.over = true;
                Some((this.told.id.clone(), Err(fault)))
            }
            None => this.last(),
        })
    }
}
