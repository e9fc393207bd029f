"""A server of S3, and one in front of it that misbehaves when it is told to."""

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote

import pytest
from tests.local.conftest import PATIENCE_S
from tests.ports import free_ports

BUCKET = "models"
#: Of whom the server takes for the bucket's owner; it looks no further.
HEADERS = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=known/20260101/us-east-1/s3/aws4_request",
    "Content-Type": "application/octet-stream",
}
MODEL = """from headrace import Batch, Model, Tensor

class One(Model):
    inputs = [Tensor("x", "FP32", [4])]
    outputs = [Tensor("y", "FP32", [4])]
    def predict(self, batch: Batch):
        return {"y": batch["x"] * NUMBER}
"""


@pytest.fixture(scope="session", autouse=True)
def obstore_is_installed() -> None:
    if find_spec("obstore") is None:
        pytest.skip("obstore is not installed: pip install 'headrace[stores]'")


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of S3 with one empty bucket."""
    if find_spec("moto") is None:
        pytest.skip("no server of S3 is installed: make test-stores")
    port = free_ports()
    log = tmp_path_factory.mktemp("moto") / "log"
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-p", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                send(f"http://127.0.0.1:{port}/{BUCKET}", "PUT", b"")
                break
            except OSError:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)  # noqa: TID251 - waits for another process
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@dataclass
class Bucket:
    """What a test puts into S3, and how the server in front of it behaves."""

    moto: str
    #: Where the one that misbehaves is.
    url: str = ""
    #: The paths of what was read, with its range.
    read: list[str] = field(default_factory=list)
    #: How many answers are to fail.
    failures: int = 0
    #: Takes a path and the bytes that are to be answered; returns those that are.
    spoil: Callable[[str, bytes], bytes] = lambda path, body: body

    def put(self, key: str, body: bytes = b"") -> None:
        send(f"{self.moto}/{BUCKET}/{quote(key)}", "PUT", body)

    def model(self, number: int, *, name: str = "photos", extra: int = 0) -> None:
        """Put a version that multiplies by its number, and so many bytes beside it."""
        source = MODEL.replace("NUMBER", str(number)).encode()
        self.put(f"{name}/{number}/model.py", source)
        if extra:
            self.put(f"{name}/{number}/weights.bin", number.to_bytes(1, "big") * extra)


@pytest.fixture
def bucket(moto: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """An empty bucket, which the environment names."""
    made = Bucket(moto)
    listed = send(f"{moto}/{BUCKET}?list-type=2", "GET").decode()
    for part in listed.split("<Key>")[1:]:
        send(f"{moto}/{BUCKET}/{quote(part.partition('</Key>')[0])}", "DELETE")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _front(made))
    server.daemon_threads = True
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    for name, value in {
        "AWS_ENDPOINT_URL": made.url,
        "AWS_ACCESS_KEY_ID": "known",
        "AWS_SECRET_ACCESS_KEY": "very-secret",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("HEADRACE_MODEL_CACHE_GIB", raising=False)
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


def _answer_of(bucket: Bucket, path: str, headers: Any) -> tuple[int, Any, bytes]:
    """Return what the server says to a request, or that it fails."""
    if bucket.failures:
        bucket.failures -= 1
        return 503, {}, b""
    kept = {name: headers[name] for name in ("Range", "If-Match") if name in headers}
    asked = urllib.request.Request(f"{bucket.moto}{path}", headers=HEADERS | kept)
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def _front(bucket: Bucket) -> type[BaseHTTPRequestHandler]:
    class Front(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, headers, body = _answer_of(bucket, self.path, self.headers)
            if "list-type" not in self.path:
                bucket.read.append(f"{self.path} {self.headers.get('range', '')}")
                body = bucket.spoil(self.path, body)
            with suppress(ConnectionError):
                # Whoever asked may be killed by now.
                self._answer(status, headers, body)

        def _answer(self, status: int, headers: Any, body: bytes) -> None:
            self.send_response(status)
            for name in ("ETag", "Content-Range", "Content-Type", "Last-Modified"):
                if name in headers:
                    self.send_header(name, headers[name])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    return Front


def send(url: str, method: str, body: bytes | None = None) -> bytes:
    request = urllib.request.Request(url, body, HEADERS, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        told: bytes = answer.read()
        return told


def folder_of(path: Path, yaml: str) -> Path:
    """Write the folder of a model that has a source; return that of models."""
    (path / "models" / "photos").mkdir(parents=True, exist_ok=True)
    (path / "models" / "photos" / "model.yaml").write_text(yaml)
    return path / "models"


#: In a process of its own, with pieces of 64 KiB, so that a small object has many.
IN_PIECES = """
import json, sys
from headrace.registry import listing
listing.PIECE_BYTES = 1 << 16
from headrace.registry import answering
answering.main()
"""


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    command = (sys.executable, "-P", "-c", IN_PIECES)
    monkeypatch.setattr("headrace.registry.asking.COMMAND", command)
