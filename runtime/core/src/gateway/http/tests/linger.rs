//! Bodies that nobody reads, since their requests were answered before.

use super::bench::{Client, request, start};
use crate::gateway::Limits;
use std::time::Duration;
use tokio::time::sleep;

/// What is answered before its body has come is answered to one who still writes, too.
#[tokio::test]
async fn an_answer_waits_for_who_writes_a_body_that_nobody_wants() {
    let server = start(Limits::default(), false).await;
    for (path, status) in [("POST /v2/models/none/infer", 400), ("POST /v2/health/live", 405)] {
        let mut client = Client::new(server.at).await;
        let body = vec![b' '; 8 << 20];
        let whole = request(path, "", &body);
        let (head, body) = whole.split_at(whole.len() - body.len());
        client.send(head).await;
        sleep(Duration::from_millis(20)).await;
        for part in body.chunks(1 << 20) {
            client.send(part).await;
        }
        assert_eq!(client.reply().await.unwrap().status(), status, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_writes_for_ever_what_nobody_wants() {
    let server = start(Limits::default(), false).await;
    let long = b"POST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: 9000000000\r\n\r\n";
    for (part, pause, most) in [(1, 50, 60), (64 << 10, 0, 17 << 20)] {
        let mut client = Client::over(server.line());
        client.send(long).await;
        assert_eq!(client.reply().await.unwrap().status(), 404);
        assert!(client.reply().await.is_none(), "no more is written");
        let sent = client.send_until_gone(&vec![b' '; part], Duration::from_millis(pause)).await;
        assert!((10..most).contains(&sent), "{sent} in parts of {part}");
    }
}
