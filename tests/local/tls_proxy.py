"""A proxy that ends TLS before a server, with certificates that are made for it."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Proxy:
    """Where it listens, and what has come through it."""

    address: str
    came: bytearray = field(default_factory=bytearray)


def make_certificates(folder: Path) -> None:
    """Write `ca.pem`, and `one.pem` with `one.key` that it vouches for, at 127.0.0.1."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes".split()
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca")
    openssl("req", *key, "-keyout", "one.key", "-out", "one.csr", "-subj", "/CN=one")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    signed = "-CA ca.pem -CAkey ca.key -out one.pem -days 2 -extfile names".split()
    openssl("x509", "-req", "-in", "one.csr", *signed)


@contextmanager
def tls_before(address: str, folder: Path) -> Iterator[Proxy]:
    """A proxy before ``address``, which takes nobody without a certificate of the same CA."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "one.pem", folder / "one.key")
    context.load_verify_locations(folder / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["h2", "http/1.1"])
    host, _, port = address.rpartition(":")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        proxy = Proxy(f"127.0.0.1:{listening.getsockname()[1]}")

        def serve() -> None:
            with suppress(OSError):
                while True:
                    plain, _ = listening.accept()
                    threading.Thread(target=carry, args=(plain,), daemon=True).start()

        def carry(plain: socket.socket) -> None:
            with (
                suppress(OSError),
                context.wrap_socket(plain, server_side=True) as client,
                socket.create_connection((host, int(port))) as server,
            ):
                back = threading.Thread(target=pipe, args=(server, client), daemon=True)
                back.start()
                pipe(client, server, proxy.came)
                back.join()

        threading.Thread(target=serve, daemon=True).start()
        yield proxy
        listening.shutdown(socket.SHUT_RDWR)


def pipe(source: socket.socket, sink: socket.socket, kept: bytearray | None = None) -> None:
    """Pass on what comes until its end, and then the end."""
    with suppress(OSError):
        while data := source.recv(1 << 16):
            if kept is not None:
                kept += data
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
