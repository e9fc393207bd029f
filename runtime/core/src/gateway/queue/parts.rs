//! Parts of an answer on their way to the one who reads it: as many as were asked for, and no more.

use crate::base::{
    call::{PARTS_BYTES, Produced},
    fault::{Fault, Kind},
    primitive::Mutex,
};
use crate::gateway::memory::{admission::Reserved, client::Client};
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Parts that may be on their way to a reader. A host pauses at so many: enough for a model that makes a thousand a
/// second and a reader that looks every 16 ms.
pub(super) const CREDIT: u32 = 16;

/// Asked for together, as a frame costs as much as a part. So a reader that takes what comes never makes a model pause.
const TOGETHER: u32 = CREDIT / 2;

/// Shorter ones count for nobody, so that all of a call's come to no more than a whole answer may that does not count.
const COUNTED: usize = 256;

/// Of one call, filled by whoever hears its host and emptied by the task of its caller.
#[derive(Debug)]
pub(in crate::gateway) struct Parts {
    state: Mutex<State>,
    /// Who leaves them unread.
    client: Arc<Client>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<(Produced, Option<Reserved>)>,
    /// Found nothing, and waits.
    reader: Option<Waker>,
    begun: bool,
    /// Of those that wait.
    bytes: usize,
    /// Of those that were taken and that the reader keeps, to join them.
    kept: usize,
    taken: Taken,
    /// Why no more are taken in, if the reader is to hear of it.
    broken: Option<Fault>,
    /// The reader is gone.
    closed: bool,
}

/// Since more were asked for.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    parts: u32,
    bytes: usize,
}

impl Taken {
    /// How many more may be asked for now.
    fn more(&mut self) -> u32 {
        let enough = self.parts >= TOGETHER || self.bytes >= PARTS_BYTES / 2;
        if enough { std::mem::take(self).parts } else { 0 }
    }
}

/// What there is for a reader, and how many more it may ask for.
pub(in crate::gateway) type Look = (Poll<Result<Produced, Fault>>, u32);

impl Parts {
    pub(in crate::gateway) fn new(client: &Arc<Client>) -> Arc<Parts> {
        Arc::new(Parts { state: Mutex::default(), client: Arc::clone(client) })
    }

    /// True: the reader has to be told.
    pub(in crate::gateway) fn push(&self, part: Produced) -> bool {
        let len = part.bytes();
        let reserved = (len > COUNTED).then(|| self.client.keep_unread(len)).transpose();
        let mut state = self.state.lock();
        state.begun = true;
        if state.closed || state.broken.is_some() {
            drop(state); // before the part: to free it may be work
            return false;
        }
        match reserved {
            Ok(_) if state.waiting.len() >= CREDIT as usize => {
                state.broken = Some(Fault::internal("a host sent more parts than were asked for"));
            }
            Ok(reserved) => {
                state.bytes += len;
                state.waiting.push_back((part, reserved));
            }
            Err(_) if state.kept > 0 => state.broken = Some(too_much(state.kept + state.bytes + len)),
            Err(fault) => state.broken = Some(fault),
        }
        // Whoever finds others before it leaves it to them: they were told of, or are being read.
        state.waiting.len() <= 1 || state.broken.is_some()
    }

    pub(super) fn wake(&self) {
        let reader = self.state.lock().reader.take();
        reader.into_iter().for_each(Waker::wake);
    }

    /// The reader asks on until there is none. Whoever asks is done with what it took before, and only then more of that
    /// size may come: a large part is written before the next is made.
    pub(in crate::gateway) fn poll_take(&self, cx: &Context<'_>) -> Look {
        let mut state = self.state.lock();
        let more = state.taken.more();
        if let Some((part, _reserved)) = state.waiting.pop_front() {
            let len = part.bytes();
            state.bytes -= len;
            state.taken.parts += 1;
            state.taken.bytes += len;
            return (Poll::Ready(Ok(part)), more);
        }
        if let Some(fault) = &state.broken {
            return (Poll::Ready(Err(fault.clone())), more);
        }
        state.reader = Some(cx.waker().clone());
        (Poll::Pending, more)
    }

    pub(in crate::gateway) fn keeps(&self, bytes: usize) {
        self.state.lock().kept = bytes;
    }

    /// Bytes that wait.
    pub(in crate::gateway) fn bytes(&self) -> usize {
        self.state.lock().bytes
    }

    /// From the first on nobody else may answer the call.
    pub(super) fn have_begun(&self) -> bool {
        self.state.lock().begun
    }

    /// The reader is gone: what waits is let go, and so is what comes.
    pub(in crate::gateway) fn close(&self) {
        let mut state = self.state.lock();
        (state.closed, state.bytes) = (true, 0);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        drop(waiting);
    }
}

/// No other time helps, as it would where others hold what there may be: so much of this very answer is here.
pub(in crate::gateway) fn too_much(bytes: usize) -> Fault {
    let note = format!(
        "the parts of the answer come to {bytes} bytes and more, and no more may be joined (limits connection_bytes and \
         unread_bytes): ask with /generate_stream, which gives out each as it comes"
    );
    Fault::new(Kind::Unsupported, note)
}
