use super::*;
use crate::gateway::{GatewaySettings, Limits};
use std::io::{Read, Write};
use std::net::TcpStream;

/// Of a call, whose rest does not come: whoever asks nothing makes room.
fn beginning(front: &str) -> Vec<u8> {
    if front == "http" {
        return b"POST /v2/models/m/infer HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n".to_vec();
    }
    let mut headers = vec![0x83, 0x86, 0x41, 1, b'x', 0x44, 42];
    headers.extend(b"/inference.GRPCInferenceService/ModelInfer");
    headers.extend([0x5f, 16]);
    headers.extend(b"application/grpc\x40\x02te\x08trailers");
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    bytes.extend([0, 0, u8::try_from(headers.len()).unwrap(), 1, 4, 0, 0, 0, 1]);
    bytes.extend(headers);
    bytes
}

#[test]
fn the_limit_of_connections_is_a_listeners_and_not_a_threads() {
    let settings = GatewaySettings {
        http: Some("127.0.0.1:0".to_owned()),
        grpc: Some("127.0.0.1:0".to_owned()),
        io_threads: 4,
        limits: Limits { connections: 3, ..Limits::default() },
        ..GatewaySettings::default()
    };
    let gateway = Gateway::new(settings).unwrap();
    gateway.start().unwrap();
    for (front, address) in gateway.addresses() {
        let clients: Vec<_> = (0..32)
            .map(|_| {
                // One by one, so that threads take turns at accepting.
                std::thread::sleep(Duration::from_millis(2));
                let mut client = TcpStream::connect(&address).unwrap();
                let _ = client.write_all(&beginning(&front)); // it may be refused already
                client
            })
            .collect();
        let mut told = 0;
        let kept = clients.into_iter().filter(|mut client| {
            client.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
            let mut said = Vec::new();
            let end = client.read_to_end(&mut said);
            // Over HTTP/2, too, it stands there as text: the reason to go.
            let said = String::from_utf8_lossy(&said);
            told +=
                usize::from(said.contains("3 connections are open and no more may be (limit connections)"));
            end.is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock)
        });
        assert_eq!(kept.count(), 3, "{front}");
        assert!(told > 0, "{front}: nobody is told why");
    }
    gateway.drain(Duration::from_millis(100));
}
