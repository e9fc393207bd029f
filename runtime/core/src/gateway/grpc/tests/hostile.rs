//! Calls as they should not be: each is answered, and nothing is held for it afterwards.

use super::bench::{Bench, INFER, bench, infer, post, prefixed, receive};
use crate::base::clock;
use crate::wire::compress::{self, Coding};
use crate::wire::oip_proto::messages::ModelInferResponse;
use bytes::Bytes;
use http::Request;
use std::time::Duration;

/// The server still serves, and holds no bytes.
async fn is_well(bench: &mut Bench) {
    let got = bench.call(post(INFER), infer("", b"well")).await;
    assert_eq!((got.status(), got.messages::<ModelInferResponse>().len()), ("0", 1));
    assert_eq!((bench.gateway.ledger.taken(), bench.gateway.unread.taken()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn bodies_that_are_not_one_message_are_refused() {
    let mut bench = bench().await;
    let whole = infer("", b"x");
    let two = [&whole[..], &whole[..]].concat();
    let flagged = [&[2], &whole[1..]].concat();
    let packed = [&[1], &whole[1..]].concat();
    let cases: &[(&[u8], &str)] = &[
        (b"", "ends without one"),
        (b"\0\0", "ends within a message"),
        (&whole[..whole.len() - 1], "ends within a message"),
        (&two, "more follows"),
        (&flagged, "0 or 1, got 2"),
        (&packed, "names no grpc-encoding"),
        (b"\0\0\0\0\x01\xff", "failed to parse the request message"),
    ];
    for (body, note) in cases {
        let got = bench.call(post(INFER), Bytes::copy_from_slice(body)).await;
        assert_eq!(got.status(), "3", "{note}");
        assert!(got.note().contains(note), "{} for {note}", got.note());
        is_well(&mut bench).await;
    }
}

#[tokio::test]
async fn compressed_messages_are_read_and_bombs_are_not() {
    let mut bench = bench().await;
    let zeros = vec![0; 65 << 20];
    for coding in [Coding::Gzip, Coding::Deflate] {
        let cases = [
            (infer("", &[5; 100]), "0"),
            (infer("", &vec![5; 3 << 20]), "0"),
            (infer("", &zeros[..16 << 20]), "0"), // a thousandfold, and yet a tensor
            (prefixed(&zeros), "3"),
        ];
        for (plain, status) in cases {
            let packed = compress::deflate([&plain[5..]].into_iter(), coding).unwrap();
            let body = [&[1], &prefixed(&packed)[1..]].concat();
            let mut request = post(INFER);
            request.headers_mut().insert("grpc-encoding", coding.name().parse().unwrap());
            let got = bench.call(request.clone(), body.clone().into()).await;
            assert_eq!(got.status(), status, "{} of {} bytes", coding.name(), plain.len());
            let broken = bench
                .call(request, [&[1], &prefixed(&packed[..packed.len() / 2])[1..]].concat().into())
                .await;
            assert_eq!(broken.status(), "3");
            is_well(&mut bench).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_over_the_limit_is_refused_by_its_prefix() {
    let mut bench = bench().await;
    let (response, mut stream) = bench.open(post(INFER));
    stream.send_data(Bytes::from_static(&[0, 0xff, 0xff, 0xff, 0xff]), false).unwrap();
    let got = receive(response).await.unwrap();
    assert_eq!(got.status(), "3");
    assert!(got.note().contains("exceeds the maximum allowed value of 67108864 bytes"), "{}", got.note());
    is_well(&mut bench).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_is_given_up() {
    let mut bench = bench().await;
    let whole = infer("", &[0; 1000]);
    for sent in [0, 3, 700] {
        let (response, mut stream) = bench.open(post(INFER));
        stream.send_data(whole.slice(..sent), false).unwrap();
        let got = tokio::time::timeout(Duration::from_secs(31), receive(response)).await.unwrap().unwrap();
        assert_eq!(got.status(), "4", "after {sent} bytes");
        is_well(&mut bench).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_trickles_is_given_up() {
    let mut bench = bench().await;
    let (response, mut stream) = bench.open(post(INFER));
    let began = clock::now();
    let trickle = async {
        stream.send_data(Bytes::from_static(&[0, 4, 0, 0, 0]), false).unwrap();
        loop {
            tokio::time::sleep(Duration::from_secs(20)).await;
            // Fails once the call has ended.
            let _ = stream.send_data(Bytes::from_static(&[0]), false);
        }
    };
    let got = tokio::select! {
        () = trickle => unreachable!(),
        got = receive(response) => got.unwrap(),
    };
    assert_eq!((got.status(), clock::now().since(began).as_secs()), ("4", 40));
    assert!(got.note().contains("at least 65536 bytes a second"), "{}", got.note());
    is_well(&mut bench).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_keeps_its_pace_may_take_long() {
    let mut bench = bench().await;
    let whole = infer("", &vec![0; 3_500_000]);
    let (response, mut stream) = bench.open(post(INFER));
    let parts = async {
        for at in (0..whole.len()).step_by(70_000) {
            let end = whole.len().min(at + 70_000);
            stream.send_data(whole.slice(at..end), end == whole.len()).unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let (got, ()) = tokio::join!(receive(response), parts);
    assert_eq!(got.unwrap().status(), "0");
    is_well(&mut bench).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_grpc_is_told_in_http() {
    let mut bench = bench().await;
    let json = Request::post(format!("http://here{INFER}")).header("content-type", "application/json");
    assert_eq!(bench.call(json.body(()).unwrap(), Bytes::from_static(b"{}")).await.http.as_u16(), 415);
    let unknown = bench.call(post("/inference.GRPCInferenceService/Nothing"), Bytes::new()).await;
    assert_eq!((unknown.http.as_u16(), unknown.status()), (200, "12"));
    is_well(&mut bench).await;
}

/// An answer larger than the window of a client that never opens it.
#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_given_up() {
    let mut bench = bench().await;
    let (response, mut stream) = bench.open(post(INFER));
    stream.send_data(infer("", &vec![1; 500_000]), true).unwrap();
    let mut answer = response.await.unwrap().into_body();
    let mut read = 0;
    let end = loop {
        match tokio::time::timeout(Duration::from_secs(60), answer.data()).await.unwrap() {
            Some(Ok(chunk)) => read += chunk.len(),
            end => break end,
        }
    };
    assert!(matches!(end, Some(Err(_))), "the stream is reset, not ended as if it were whole");
    assert!(read < 500_000);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_the_wait() {
    let mut bench = bench().await;
    bench.hold();
    let mut request = post(INFER);
    request.headers_mut().insert("grpc-timeout", "20m".parse().unwrap());
    let got = bench.call(request, infer("", b"x")).await;
    assert_eq!(got.status(), "4");
    assert_eq!(bench.echo.cancelled.lock().len(), 1);
}
