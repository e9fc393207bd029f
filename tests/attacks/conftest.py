"""Servers to attack."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.attacks import process
from tests.attacks.target import Target
from tests.ports import free_ports

MODELS = Path(__file__).parents[2] / "load_tests" / "peers" / "models"
#: A busy machine starts slowly.
START_S = 60.0


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Target]]:
    """Returns the server with the limits that are asked for; each is started once.

    `files` is the system's: how many the server may open.
    """
    started: dict[tuple[tuple[str, int], ...], tuple[subprocess.Popen[bytes], Target]] = {}

    def one(**limits: int) -> Target:
        key = tuple(sorted(limits.items()))
        if key not in started or started[key][0].poll() is not None:
            started[key] = _start(tmp_path_factory.mktemp("server"), limits)
        return started[key][1]

    yield one
    for running, _ in started.values():
        running.terminate()
    for running, _ in started.values():
        assert running.wait(60) == 0


def _start(state: Path, limits: dict[str, int]) -> tuple[subprocess.Popen[bytes], Target]:
    port, log = free_ports(), state / "output"
    files = limits.pop("files", 0)
    command = [sys.executable, "-m", "headrace", "serve", str(MODELS), "--engine", "local"]
    command += ["--ports", str(port), "--state", str(state)]
    command += [f"--limit={name}={number}" for name, number in limits.items()]
    if files:
        command = ["prlimit", f"--nofile={files}", *command]
    with log.open("wb") as output:
        running = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    ready = process.until(
        lambda: "headrace is ready" in log.read_text() or running.poll() is not None, START_S
    )
    assert ready, f"the server did not get ready:\n{log.read_text()}"
    assert running.poll() is None, log.read_text()
    target = Target(
        host="127.0.0.1",
        port=port,
        grpc_port=port + 1,
        metrics_port=port + 2,
        console_port=port + 3,
        pid=running.pid,
        full=False,
        most_connections=limits.get("connections", 0),
    )
    return running, target
