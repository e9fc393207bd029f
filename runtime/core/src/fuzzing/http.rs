//! What a client sends to the HTTP port, from the first byte of a connection on.

use super::{
    echo::{check_said, nameless, with_gateway},
    memory::Most,
};
use crate::gateway::http;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

/// Buffers of the connection and of the pipe that stands for its socket, and one body of the largest size.
const MOST: Most = Most { each: 32, beside: 2 << 20 };
/// Turns of the runtime without an answer, after which there will be none.
const QUIET: usize = 16;

/// Sends everything, waits for the last answer, hangs up; what was answered.
async fn talk(mut socket: DuplexStream, data: &[u8], cut: usize) -> Vec<u8> {
    let (mut answers, mut quiet) = (Vec::with_capacity(64 << 10), 0);
    let mut pieces = data.chunks(cut);
    while quiet < QUIET {
        if let Some(piece) = pieces.next() {
            quiet = 0;
            if socket.write_all(piece).await.is_err() {
                break; // it was closed, after an answer perhaps
            }
        }
        tokio::task::yield_now().await;
        let before = answers.len();
        tokio::select! {
            biased;
            _ = socket.read_buf(&mut answers) => {}
            () = std::future::ready(()) => {}
        }
        quiet = if answers.len() > before { 0 } else { quiet + 1 };
    }
    let _ = socket.shutdown().await;
    let _ = socket.read_to_end(&mut answers).await;
    answers
}

fn exchange(data: &[u8], cut: usize) -> Vec<u8> {
    with_gateway(|runtime, gateway| {
        let (ours, theirs) = duplex(256 << 10);
        let serve = http::connection::serve(ours, Arc::clone(gateway), Arc::default());
        let both = async { tokio::join!(serve, talk(theirs, data, cut)).1 };
        MOST.hold(data.len(), || runtime.block_on(both))
    })
}

/// The first answer, if it is whole: status, head, body.
fn first(answers: &[u8]) -> Option<(u16, String, &[u8])> {
    let end = answers.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answers[..end]).expect("a head is text");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line");
    let len = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |len| len.parse().unwrap());
    Some((status, head.to_owned(), answers.get(end + 4..end + 4 + len)?))
}

/// A connection of any bytes: whatever is refused is told why, and in pieces it is answered as at once.
pub fn any_http(data: &[u8]) {
    let whole = exchange(data, usize::MAX);
    let begun = data.iter().position(|byte| !b"\r\n".contains(byte)).unwrap_or(data.len());
    let mut threes = data[begun..].windows(3);
    let head_ends = threes.clone().any(|end| end == b"\n\r\n" || end.starts_with(b"\n\n"));
    if threes.any(|three| three == b"PRI") || !head_ends {
        // Frames of HTTP/2 come in an order of their own, and what follows a head that is none is told nothing if it
        // begins as they do. A part of a head that cannot become one is refused at once, or, if it came in parts
        // itself, not before it is whole: hyper does not look at each part anew.
        return;
    }
    let cut = 1 + data.iter().fold(data.len(), |sum, byte| sum * 31 % 8191 + usize::from(*byte)) % 67;
    let pieces = exchange(data, cut);
    let is_head = data.starts_with(b"HEAD");
    let (Some(once), Some(cut_up)) = (first(&whole), first(&pieces)) else {
        let (whole, pieces) = (String::from_utf8_lossy(&whole), String::from_utf8_lossy(&pieces));
        assert!(is_head || whole == pieces, "in pieces of {cut} bytes: {whole:?} is {pieces:?}");
        return;
    };
    let (status, head, body) = once;
    assert_ne!(status, 500, "{head}");
    let is_ours = head.contains("content-type: application/json");
    if status >= 400 && is_ours && !is_head {
        let said: serde_json::Value = serde_json::from_slice(body).expect("an error is JSON");
        check_said(said["error"].as_str().unwrap_or_default());
    }
    let counts = body.windows(13).any(|text| text == b"\"model_stats\"");
    if !counts && status != 504 && cut_up.0 != 504 {
        let (once, cut_up) = ((status, head, nameless(body)), (cut_up.0, cut_up.1, nameless(cut_up.2)));
        assert_eq!(once, cut_up, "in pieces of {cut} bytes");
    }
}
