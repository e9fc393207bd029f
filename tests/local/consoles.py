"""What tests send to a console and read from it."""

import json
import socket
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

PATIENCE_S = 30.0
#: Starts a console and returns its port.
Begin = Callable[..., int]
#: Kind, id and facts.
Event = tuple[str, str, Any]


def connect(port: int, host: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection((host, port), PATIENCE_S)


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def read_answer(line: socket.socket) -> tuple[int, Any]:
    """Return status and body of an answer with a length."""
    said = b""
    while b"\r\n\r\n" not in said:
        said += line.recv(65_536) or pytest.fail(f"closed after {said!r}")
    head, _, body = said.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += line.recv(65_536)
    assert b"server: headrace" in head.lower()
    return int(head.split()[1]), json.loads(body)


@contextmanager
def following(port: int, query: str = "", **headers: str) -> Iterator[Iterator[Event]]:
    """Yield the events of a console: kind, id and facts of each."""
    url = f"http://127.0.0.1:{port}/api/events{query}"
    with urllib.request.urlopen(
        urllib.request.Request(url, headers=headers), timeout=PATIENCE_S
    ) as answer:

        def events() -> Iterator[Event]:
            said: dict[str, str] = {}
            for line in answer:
                name, _, text = line.decode().rstrip("\n").partition(": ")
                if name:
                    said[name] = text
                else:
                    yield said["event"], said.get("id", ""), json.loads(said["data"])
                    said = {}

        yield events()
