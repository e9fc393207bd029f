"""Answers the raylet when a worker is to have an environment of its own: by what it is told.

Ray's own agent, a process of 100 MB, makes environments; ours are made before anybody asks for a
worker, and which interpreter that is stands in the question. It runs as a script on a bare
interpreter (10 MiB, 60 ms).
"""

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Final

#: Of a question; ours have some hundred.
MOST_BYTES: Final = 1 << 20
#: Strings of Ray's protobufs (runtime_env_agent.proto) as (field, wire type): the question's
#: environment, and the answer's context, which `worker.py` reads.
ENVIRONMENT: Final = 1 << 3 | 2
CONTEXT: Final = 3 << 3 | 2


class Answer(BaseHTTPRequestHandler):
    """Of one question."""

    #: In seconds, for who connects and says nothing: the next one waits for that.
    timeout = 5

    def do_POST(self) -> None:
        """Answer that an environment is there, or that it was given back."""
        count = int(self.headers.get("Content-Length", 0))
        if not 0 <= count <= MOST_BYTES:
            self.send_error(413)
            return
        asked = environment(self.rfile.read(count))
        made = self.path == "/get_or_create_runtime_env"
        answer = bytes([CONTEXT, *varint(len(asked))]) + asked if made else b""
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing: stderr is the raylet's."""


def environment(question: bytes) -> bytes:
    """Return the environment in a question, as JSON; it is the first field.

    Raises:
        ValueError: it is not there.
    """
    if question[:1] != bytes([ENVIRONMENT]):
        raise ValueError(f"expected a string in field 1, and came {question[:1]!r}")
    size, at = 0, 1
    while True:
        size |= (question[at] & 0x7F) << 7 * (at - 1)
        at += 1
        if question[at - 1] < 0x80:
            return question[at : at + size]


def varint(number: int) -> bytes:
    """Return a size as protobuf has it: seven bits a byte, the lowest first."""
    parts = [number & 0x7F]
    while number := number >> 7:
        parts[-1] |= 0x80
        parts.append(number & 0x7F)
    return bytes(parts)


def main() -> None:
    """Answer at the address in the arguments, one question at a time, for as long as it lives."""
    with HTTPServer((sys.argv[1], int(sys.argv[2])), Answer) as server:
        while True:
            server.handle_request()


if __name__ == "__main__":
    main()
