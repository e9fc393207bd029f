"""MLflow's own server, over HTTP, and what may answer in its stead."""

import importlib.util
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.local.conftest import PATIENCE_S

needs_server = pytest.mark.skipif(
    importlib.util.find_spec("flask") is None, reason="MLflow's own server is not installed"
)
needs_accounts = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("flask", "flask_wtf"))),
    reason="MLflow's own server with accounts is not installed: pip install 'mlflow[auth]'",
)


@contextmanager
def serving(folder: Path, port: int, *more: str) -> Iterator[str]:
    """Start it, with its database and its files in ``folder``; gives its address.

    ``more``: arguments of its command.
    """
    uri = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port)]
    command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/server.db"]
    command += ["--artifacts-destination", str(folder / "store"), *more]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait(f"{uri}/health", folder / "log")
        yield uri
    finally:
        os.killpg(process.pid, 9)
        process.wait()


def _wait(url: str, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)  # noqa: TID251 - waits for another process


class Proxy(BaseHTTPRequestHandler):
    """Stands where a server of MLflow's should be, and knows nothing."""

    status: int

    def do_GET(self) -> None:
        self.send_error(self.status)

    do_POST = do_PATCH = do_GET

    def log_message(self, *args: Any) -> None: ...


@contextmanager
def answering(status: int) -> Iterator[str]:
    proxy = type("Answering", (Proxy,), {"status": status})
    with HTTPServer(("127.0.0.1", 0), proxy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://me:secret@127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
