//! In every order: a call is answered once, and no memory stays lent, when a link ends while a call takes off, is
//! cancelled, is answered, or its answer is let go.

use super::{
    Common,
    pulse::Patience,
    session::{Running, Session},
};
use crate::base::{
    call::Carrier,
    fault::{Kind as FaultKind, Phase},
    primitive::model::{self, check},
    units::CallId,
};
use crate::link::{
    outbox::Outbox,
    socket,
    testing::{
        Desk,
        far_end::FarEnd,
        frames::{answer_with, hello, release},
        quiet,
    },
};
use crate::mem::{arena::Arena, peer::PeerArena};
use crate::wire::{
    frame::{Frame, Kind, MAX_FRAME},
    frame_decode::Decoder,
    frame_encode, frame_meta,
};
use bytes::BufMut;
use std::os::fd::AsFd;
use std::sync::Arc;

const ROOM: usize = 64 << 10;

/// A gateway's end of a link, and the host's end in the hands of the model.
struct Link {
    host: FarEnd,
    /// What the gateway sends from, and what the host does.
    sends: Arena,
    answers: Arena,
    desk: Arc<Desk>,
    running: Running,
    carrier: Arc<dyn Carrier>,
}

impl Link {
    fn new() -> Link {
        let (host, ours) = FarEnd::pair();
        let (sends, answers) = (Arena::new(ROOM).unwrap(), Arena::new(ROOM).unwrap());
        let memory =
            PeerArena::map(answers.as_fd().try_clone_to_owned().unwrap(), answers.bytes(), None).unwrap();
        let desk = Arc::<Desk>::default();
        let common = Common {
            roster: desk.clone(),
            arena: Some(sends.clone()),
            log: quiet(),
            patience: Patience::default(),
        };
        let outbox = Outbox::new(socket::split(ours).unwrap().1);
        let hello = frame_meta::decode(&frame(&hello(answers.bytes(), &[1])).meta).unwrap();
        let session = Session::new(&Arc::new(common), 0, outbox);
        let running = Running::start(session, Some(memory), hello);
        let carrier = desk.up.lock().values().next().unwrap().1.clone();
        Link { host, sends, answers, desk, running, carrier }
    }

    fn heard_by_host(&mut self) -> Vec<Frame> {
        self.running.session.outbox.flush();
        self.host.hear()
    }
}

fn frame(bytes: &[u8]) -> Frame {
    let mut decoder = Decoder::new(MAX_FRAME);
    decoder.room().put_slice(bytes);
    decoder.next_frame().unwrap().unwrap()
}

/// The task sends its frame, and hears the answer, while the caller still notes that it is in flight.
#[test]
fn an_answer_does_not_overtake_its_call() {
    check("take-off, answered", 3, || {
        let mut link = Link::new();
        let (desk, carrier) = (Arc::clone(&link.desk), Arc::clone(&link.carrier));
        let body = link.sends.copy(&[7; 20_000]).unwrap();
        let caller = model::spawn(move || desk.call_through(&carrier, body));
        let early = !link.heard_by_host().is_empty();
        let answer = frame(&answer_with(1, &[1, 4], frame_encode::Bytes::Inline(&[5; 4])));
        if early {
            link.running.take(answer.clone()).unwrap();
        }
        let call = caller.join().unwrap();
        if !early {
            link.running.take(answer).unwrap();
        }
        assert_eq!(link.desk.end(call).unwrap(), [5; 4].as_slice());
        link.running.take(frame(&release(&[1]))).unwrap();
        assert_eq!(link.sends.free_bytes(), ROOM);
    });
}

#[test]
fn a_call_that_takes_off_while_its_link_ends_is_answered_once() {
    check("take-off", 3, || {
        let mut link = Link::new();
        let (desk, carrier) = (Arc::clone(&link.desk), Arc::clone(&link.carrier));
        let body = link.sends.copy(&[7; 20_000]).unwrap();
        let caller = model::spawn(move || desk.call_through(&carrier, body));
        let heard = link.heard_by_host();
        link.running.end("it is over");
        let call = caller.join().unwrap();
        let fault = link.desk.end(call).unwrap_err();
        assert_eq!(fault.kind, FaultKind::HostLost);
        assert_eq!(fault.phase == Phase::Started, !heard.is_empty(), "only what the host has may have begun");
        assert!(link.desk.up.lock().is_empty());
        assert!(heard.is_empty() || link.sends.free_bytes() < ROOM, "the host runs on what it has");
        drop(link.running.session.flights.lock().take_lent());
        assert_eq!(link.sends.free_bytes(), ROOM);
    });
}

#[test]
fn an_answer_is_released_once_while_its_call_is_cancelled_and_its_link_ends() {
    for ends in [false, true] {
        check(if ends { "answer, ending" } else { "answer" }, 3, move || {
            let mut link = Link::new();
            let body = link.sends.copy(&[7; 20_000]).unwrap();
            let call = link.desk.call_through(&link.carrier, body);
            let lent = link.answers.copy(&[5; 4]).unwrap();
            let at = link.answers.locate(&lent).unwrap();
            let place = frame_encode::Bytes::Arena { offset: at.offset, len: at.len };
            let carrier = Arc::clone(&link.carrier);
            let leaves = model::spawn(move || carrier.cancel(CallId(call)));
            link.running.take(frame(&answer_with(1, &[1, 4], place))).unwrap();
            let output = link.desk.end(call).unwrap();
            let looks = model::spawn(move || assert_eq!(output, [5; 4].as_slice()));
            assert!(link.sends.free_bytes() < ROOM, "the host looks at the input");
            link.running.take(frame(&release(&[1]))).unwrap();
            assert_eq!(link.sends.free_bytes(), ROOM);
            if ends {
                link.running.end("it is over");
            }
            [leaves, looks].into_iter().for_each(|thread| thread.join().unwrap());
            let heard = link.heard_by_host();
            let releases = heard.iter().filter(|frame| frame.head.kind == Kind::Release).count();
            assert!(releases == 1 || ends && releases == 0, "{releases} releases");
            assert_eq!(link.desk.answered(), 0, "it ended once");
        });
    }
}

/// Whoever drains believes that: what came later would be lost.
#[test]
fn no_call_follows_the_last_word() {
    check("farewell", 3, || {
        let mut link = Link::new();
        let (desk, carrier) = (Arc::clone(&link.desk), Arc::clone(&link.carrier));
        let caller = model::spawn(move || desk.call_through(&carrier, vec![7; 9].into()));
        link.running.send_no_more();
        let call = caller.join().unwrap();
        let heard: Vec<_> = link.heard_by_host().iter().map(|frame| frame.head.kind).collect();
        match heard.as_slice() {
            [Kind::Infer, Kind::Drain] => assert_eq!(link.desk.answered(), 0),
            [Kind::Drain] => assert_eq!(link.desk.end(call).unwrap_err().phase, Phase::NotAdmitted),
            other => panic!("{other:?}"),
        }
    });
}
