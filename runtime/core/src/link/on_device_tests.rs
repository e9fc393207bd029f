//! Tensors in their callers' memory on a device: named across a link, and given back when the host has closed it.

use super::{
    host::Listener,
    testing::{
        Desk, Lines, Shelf, folder,
        frames::{Wire, answer, answer_with, infer, tensor},
        pair,
        played::{hosted, joined, send, to_the_end, until_frames},
        until,
    },
};
use crate::{
    base::device::{End, OnDevice, Opened, Span, testing::region},
    wire::{
        frame::{Head, Kind as FrameKind},
        frame_encode::{Bytes, Outgoing, encode},
        frame_meta::{self, proto},
    },
};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use tokio::runtime::Handle;

/// Four bytes of one row, there and back.
fn both(region: &Arc<crate::base::device::DeviceRegion>) -> Arc<OnDevice> {
    let span = |offset| Span { tensor: 0, region: Arc::clone(region), offset, byte_size: 4 };
    Arc::new(OnDevice { inputs: vec![span(8)], outputs: vec![span(16)] })
}

/// What a host's Python has of it.
#[derive(Debug)]
struct Mapping(std::sync::mpsc::SyncSender<Arc<End>>);

impl Opened for Mapping {
    fn close(self: Box<Self>, end: Arc<End>) {
        let _ = self.0.send(end);
    }
}

#[tokio::test]
async fn a_region_is_named_across_a_link_and_ends_when_the_host_has_closed_it() {
    let shelf = Shelf::new(false);
    let pair = pair("on-device", Arc::clone(&shelf)).await;
    let (here, ended) = region(7);
    let calls = [pair.desk.call_on_device(both(&here)), pair.desk.call_on_device(both(&here))];
    until("the host has them", || shelf.model.holds() == 2).await;
    let (closes, closing) = std::sync::mpsc::sync_channel(1);
    {
        let held = shelf.model.held.lock();
        let named = held.iter().map(|call| call.on_device.as_ref().unwrap());
        let told: Vec<_> = named.map(|named| (named.inputs[0].clone(), named.outputs[0].clone())).collect();
        let (input, output) = &told[0];
        assert_eq!((input.offset, input.byte_size, output.offset), (8, 4, 16));
        let there = &input.region;
        assert_eq!((there.handle, there.device, there.byte_size), ([7; 64], 0, 64));
        assert!(told.iter().all(|(input, output)| input.region == *there && output.region == *there), "once");
        assert!(held[0].inputs[0].is_on_device());
        there.keep(Box::new(Mapping(closes))).unwrap();
    }
    drop(here); // its client takes it back
    assert!(!ended.load(SeqCst));
    shelf.model.answer_all();
    until("both are answered", || pair.desk.answered() == 2).await;
    for call in calls {
        assert!(pair.desk.ended(call).unwrap().outputs[0].is_on_device(), "no message has its data");
    }
    let mut end = None;
    until("the host closes it", || {
        end = end.take().or_else(|| closing.try_recv().ok());
        end.is_some()
    })
    .await;
    assert!(!ended.load(SeqCst), "it has not closed it yet");
    drop(end);
    until("its client hears of it", || ended.load(SeqCst)).await;
    // The link is as good as before.
    let (again, ended) = region(8);
    pair.desk.call_on_device(both(&again));
    until("it came", || shelf.model.holds() == 1).await;
    shelf.model.answer_all();
    until("it is answered", || pair.desk.answered() >= 1).await;
    drop(again);
    until("what nobody opened ends, too", || ended.load(SeqCst)).await;
}

#[tokio::test]
async fn a_host_that_is_lost_holds_a_region_until_it_lets_go() {
    let shelf = Shelf::new(false);
    let pair = pair("on-device-lost", Arc::clone(&shelf)).await;
    let (here, ended) = region(7);
    pair.desk.call_on_device(both(&here));
    until("it came", || shelf.model.holds() == 1).await;
    drop(here);
    drop(pair.host);
    until("the call is answered", || pair.desk.answered() == 1).await;
    assert!(!ended.load(SeqCst), "its model runs on");
    shelf.model.held.lock().clear();
    until("nobody looks at it", || ended.load(SeqCst)).await;
}

fn span(tensor: u32, offset: u64, handle: usize) -> proto::Span {
    let handle = vec![1; handle].into();
    let region = Some(proto::Region { number: 1, handle, device: 0, byte_size: 64 });
    proto::Span { tensor, region, offset, byte_size: 4 }
}

fn infer_there(spans: Vec<proto::Span>, call: u64) -> Wire {
    let infer = proto::Infer {
        model: "echo".to_owned(),
        version: 1,
        rows: 1,
        on_device_inputs: spans,
        ..proto::Infer::default()
    };
    let mut out = Wire::new();
    let head = Head::new(FrameKind::Infer, call);
    let there = [tensor(0, Bytes::Device { len: 4 })];
    encode(&mut out, &head, |out| frame_meta::append(out, &infer), &there).unwrap();
    out
}

#[tokio::test]
async fn a_gateway_that_names_what_is_not_there_loses_its_link() {
    let other = proto::Span {
        region: span(0, 0, 64).region.map(|region| proto::Region { byte_size: 32, ..region }),
        ..span(0, 0, 64)
    };
    let twice = [infer_there(vec![span(0, 0, 64)], 1), infer_there(vec![other], 2)].concat();
    let cases: Vec<(&str, Wire, &str)> = vec![
        (
            "nothing is named",
            infer(1, &[tensor(0, Bytes::Device { len: 4 })]),
            "not those that the call names",
        ),
        ("a length that lies", infer(1, &[tensor(0, Bytes::Device { len: 5 })]), "does not follow"),
        ("more than there are", infer_there(vec![span(0, 0, 64), span(0, 4, 64)], 1), "not those"),
        ("beyond the region", infer_there(vec![span(0, 61, 64)], 1), "in a region of 64 bytes"),
        ("a wrap", infer_there(vec![span(0, u64::MAX, 64)], 1), "in a region of 64 bytes"),
        ("no such tensor", infer_there(vec![span(3, 0, 64)], 1), "for tensor 3"),
        ("a short handle", infer_there(vec![span(0, 0, 63)], 1), "has 64 bytes, not 63"),
        (
            "no region",
            infer_there(vec![proto::Span { region: None, ..span(0, 0, 64) }], 1),
            "a part of no region",
        ),
        ("another of that number", twice, "region 1 is another one than before"),
    ];
    let (folder, shelf) = (folder("hostile-on-device"), Shelf::new(false));
    for (at, (name, bytes, why)) in cases.into_iter().enumerate() {
        let path = folder.join(format!("{at}.sock"));
        let lines = Lines::default();
        let host = Listener::listen(&Handle::current(), &path, shelf.clone(), None, lines.log()).unwrap();
        let mut joined = joined(&path).await;
        send(&joined, &bytes);
        to_the_end(&mut joined).await;
        assert!(lines.have(why), "{name}: {lines:?}");
        shelf.model.held.lock().clear();
        drop(host);
    }
}

#[tokio::test]
async fn a_host_that_answers_elsewhere_than_it_was_asked_to_loses_its_link() {
    let there = || answer_with(1, &[1, 4], Bytes::Device { len: 4 });
    let cases: Vec<(&str, Wire, bool, &str)> = vec![
        ("on a device, unasked", there(), false, "not those that the call names"),
        (
            "in a message, against what was asked",
            answer(1, 0, &[1, 4], &[1; 4]),
            true,
            "not those that the call names",
        ),
        ("a region it was not told of", unmapped(9), true, "the end of region 9"),
    ];
    let path = folder("hostile-there").join("host.sock");
    for (name, bytes, is_named, why) in cases {
        let (desk, lines) = (Arc::new(Desk::default()), Lines::default());
        let (links, mut joined) = hosted(&path, &desk, &lines, None, None).await;
        let (here, _) = region(7);
        match is_named {
            true => desk.call_on_device(both(&here)),
            false => desk.call(b"abcd".as_slice().into()),
        };
        until_frames(&mut joined, FrameKind::Infer, 1).await;
        send(&joined, &bytes);
        until(name, || desk.answered() == 1).await;
        assert!(lines.have(why), "{name}: {lines:?}");
        drop(joined);
        links.close().await;
    }
}

fn unmapped(number: u64) -> Wire {
    let mut out = Wire::new();
    let region = proto::Region { number, ..proto::Region::default() };
    let none: &[Outgoing<'_>] = &[];
    let head = Head::new(FrameKind::Unmapped, 0);
    encode(&mut out, &head, |out| frame_meta::append(out, &region), none).unwrap();
    out
}

#[tokio::test]
async fn a_host_closes_the_regions_of_a_gateway_that_is_gone() {
    let shelf = Shelf::new(false);
    let pair = pair("on-device-gone", Arc::clone(&shelf)).await;
    let (here, _) = region(7);
    pair.desk.call_on_device(both(&here));
    until("it came", || shelf.model.holds() == 1).await;
    let (closes, closing) = std::sync::mpsc::sync_channel(1);
    let there = Arc::clone(&shelf.model.held.lock()[0].on_device.as_ref().unwrap().inputs[0].region);
    there.keep(Box::new(Mapping(closes))).unwrap();
    drop(there);
    shelf.model.answer_all();
    until("it is answered", || pair.desk.answered() == 1).await;
    assert!(closing.try_recv().is_err(), "it stays open for the next call");
    pair.links.close().await;
    until("it is closed", || closing.try_recv().is_ok()).await;
}
