"""MLflow's own server, over HTTP."""

import importlib.util
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.local.conftest import PATIENCE_S

needs_server = pytest.mark.skipif(
    importlib.util.find_spec("flask") is None, reason="MLflow's own server is not installed"
)


@contextmanager
def serving(folder: Path, port: int) -> Iterator[str]:
    """Start it, with its database and its files in ``folder``; gives its address."""
    uri = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port)]
    command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/server.db"]
    command += ["--artifacts-destination", str(folder / "store")]
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
