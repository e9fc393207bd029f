//! In every order: a gateway's memory is released once and after the last look, ours is lent until it was released,
//! and rows come back to the window.

use super::{
    super::{Common, ears::Ears},
    *,
};
use crate::base::{
    call::{Call, Outcome, Produced, Tensors},
    primitive::model::{self, check},
    units::Tick,
};
use crate::link::{
    Intakes,
    outbox::Outbox,
    socket,
    testing::{
        Shelf,
        far_end::FarEnd,
        frames::{bare, infer_rows, release, tensor},
        quiet, tensor as output,
    },
};
use crate::mem::{arena::Arena, peer::PeerArena};
use crate::wire::{
    frame::{Kind, MAX_FRAME, RELEASED, WireTensor},
    frame_decode::Decoder,
    frame_encode,
};
use std::os::fd::AsFd;
use std::sync::Arc;

const ROOM: usize = 64 << 10;

/// A host's end of a link, and the gateway's end in the hands of the model.
struct Link {
    gateway: FarEnd,
    /// What the gateway sends from, and what the host does.
    sends: Arena,
    answers: Arena,
    shelf: Arc<Shelf>,
    session: Arc<Session>,
    reading: Reading,
}

impl Link {
    fn new() -> Link {
        let (gateway, ours) = FarEnd::pair();
        let (sends, answers) = (Arena::new(ROOM).unwrap(), Arena::new(ROOM).unwrap());
        let memory =
            PeerArena::map(sends.as_fd().try_clone_to_owned().unwrap(), sends.bytes(), None).unwrap();
        let shelf = Shelf::new(false);
        let common = Common {
            intakes: Arc::clone(&shelf) as Arc<dyn Intakes>,
            arena: Some(answers.clone()),
            log: quiet(),
            draining: Default::default(),
            links: 2.into(),
            sessions: Default::default(),
            ears: Ears::new().unwrap(),
        };
        let (reader, writer) = socket::split(ours).unwrap();
        let session = Session::new(&Arc::new(common), Outbox::new(writer), 1);
        let reading = Reading::new(&session, reader, Decoder::new(MAX_FRAME), Some(memory));
        Link { gateway, sends, answers, shelf, session, reading }
    }

    /// Takes in what the gateway says; false when it broke the protocol.
    fn hears(&mut self, bytes: &[u8]) -> bool {
        self.gateway.say(bytes);
        self.reading.hear(true);
        self.reading.over.is_none()
    }

    /// One call whose input lies in the gateway's memory, as a lane gets it.
    fn call(&mut self, number: u64, rows: u32) -> Option<Call> {
        let lent = self.sends.copy(&[1, 2, 3, 4]).unwrap();
        let at = self.sends.locate(&lent).unwrap();
        let place = frame_encode::Bytes::Arena { offset: at.offset, len: at.len };
        assert!(self.hears(&infer_rows(number, rows, &[tensor(0, place)])));
        self.shelf.model.held.lock().pop()
    }

    /// The gateway is done with an answer, if it has it.
    fn release(&mut self, number: u64) -> bool {
        self.session.outbox.flush();
        let has = self.gateway.hear().iter().any(|frame| frame.tensors.iter().any(WireTensor::is_lent));
        has && self.hears(&release(&[number]))
    }

    /// All that was said to the gateway: kinds and flags.
    fn said(&mut self) -> Vec<(Kind, u8)> {
        self.session.outbox.flush();
        self.gateway.hear().iter().map(|frame| (frame.head.kind, frame.head.flags)).collect()
    }
}

fn answer(call: Call, outputs: Tensors) -> Tensors {
    let Call { inputs, reply, .. } = call;
    let produced = Produced { outputs, parameters: vec![] };
    reply.settle(Outcome { result: Ok(produced), timing: Default::default() });
    inputs
}

/// The call is answered while its last view goes, wherever that is.
#[test]
fn a_gateways_memory_is_released_once_and_after_the_last_look() {
    check("inputs", 3, || {
        let mut link = Link::new();
        let mut call = link.call(7, 64).unwrap();
        let seen = std::mem::take(&mut call.inputs);
        let looks = model::spawn(move || drop(seen));
        let answers = model::spawn(move || drop(answer(call, output([5; 4].to_vec().into()))));
        [looks, answers].into_iter().for_each(|thread| thread.join().unwrap());
        let once = [&[(Kind::Answer, RELEASED)][..], &[(Kind::Answer, 0), (Kind::Release, 0)]];
        let said = link.said();
        assert!(once.contains(&said.as_slice()), "{said:?}");
        // Its rows are free, for the whole window fits.
        let mut call = link.call(8, 64).unwrap();
        let seen = std::mem::take(&mut call.inputs);
        drop(answer(call, output([5; 4].to_vec().into())));
        assert_eq!(link.said(), [(Kind::Answer, 0)], "it is looked at");
        drop(seen);
        assert_eq!(link.said(), [(Kind::Release, 0)]);
    });
}

/// An answer leaves with what another lane sends, and the gateway may be done with it before we have noted that it
/// was lent. It may as well be gone.
#[test]
fn our_memory_is_lent_until_the_gateway_releases_it_or_is_gone() {
    for gone in [false, true] {
        check(if gone { "outputs, abandoned" } else { "outputs" }, 3, move || {
            let mut link = Link::new();
            let call = link.call(7, 1).unwrap();
            let (answers, session) = (link.answers.clone(), Arc::clone(&link.session));
            let large = answers.copy(&[5; 20_000]).unwrap();
            let lane = model::spawn(move || drop(answer(call, output(large))));
            let ends = gone.then(|| {
                model::spawn(move || {
                    session.abandon();
                    session.forget_lent();
                })
            });
            let early = link.release(7);
            lane.join().unwrap();
            ends.into_iter().for_each(|ends| ends.join().unwrap());
            if !gone && !early {
                assert!(answers.free_bytes() < ROOM, "the gateway looks at it");
                assert!(link.release(7));
            }
            assert_eq!((answers.free_bytes(), link.session.in_flight()), (ROOM, 0));
            assert!(gone || link.reading.over.is_none(), "the gateway broke no rule");
        });
    }
}

/// A drain waits for the gateway's last word, which comes, or never will.
#[test]
fn who_waits_for_the_last_call_hears_of_it() {
    for gone in [false, true] {
        check(if gone { "parting, abandoned" } else { "parting" }, 3, move || {
            let mut link = Link::new();
            let session = Arc::clone(&link.session);
            let drains = model::spawn(move || {
                session.ask_for_no_more();
                assert!(session.wait_for_the_last(Tick::NEVER));
            });
            if gone {
                link.session.abandon();
            } else {
                assert!(link.hears(&bare(Kind::Drain, 0, &[])));
            }
            drains.join().unwrap();
        });
    }
}
