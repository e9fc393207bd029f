"""A server whose terminal goes away, or stands still: it serves on, and ends as any."""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.local.conftest import LocalServer
from tests.ports import free_ports

ONES = [1.0, 1.0, 1.0, 1.0]
SPEAKS = """
print("predicts")
if batch["x"][0, 0] == 2: raise ValueError("two is none")
return {"y": batch["x"]}
"""
Begin = Callable[..., LocalServer]


@pytest.fixture
def begin(write: Callable[..., Path], tmp_path: Path) -> Iterator[Begin]:
    """Starts a server that writes to these descriptors; the others go to its log."""
    started: list[LocalServer] = []

    def one(*before: str, **descriptors: int) -> LocalServer:
        models, state, port = write("speaks", SPEAKS), tmp_path / "state", free_ports()
        command = [*before, sys.executable, "-m", "headrace", "serve", str(models)]
        command += ["--engine", "local", "--ports", str(port), "--state", str(state)]
        log = tmp_path / "log"
        with log.open("wb") as other:
            streams: dict[str, Any] = {"stdout": other, "stderr": other} | descriptors
            # Whoever runs these tests may be under nohup.
            outer = signal.signal(signal.SIGHUP, signal.SIG_DFL)
            try:
                process = subprocess.Popen(command, **streams)
            finally:
                signal.signal(signal.SIGHUP, outer)
        started.append(LocalServer(process, models, port, state, log))
        return started[-1]

    yield one
    for server in started:
        server.process.kill()
        server.process.wait()


def wait_for(server: LocalServer) -> None:
    """Wait until it serves, which its terminal may not show."""
    for _ in range(600):
        with suppress(OSError):
            if server.get(f"http://{server.http}/v2/models/speaks/ready")[0] == 200:
                return
        with suppress(subprocess.TimeoutExpired):
            raise AssertionError(f"it ended with {server.process.wait(0.1)}:\n{server.output()}")
    raise AssertionError("it does not get ready")


def log_file(server: LocalServer) -> str:
    return (server.state / "logs" / "headrace.jsonl").read_text()


@pytest.mark.parametrize("gone", [["stdout"], ["stderr"], ["stdout", "stderr"]])
@pytest.mark.parametrize("when", ["before it is ready", "while it serves"])
def test_a_server_whose_terminal_is_gone_serves_on_and_ends_as_any(
    begin: Begin, gone: list[str], when: str
) -> None:
    reader, writer = os.pipe()
    if when == "before it is ready":
        os.close(reader)
    server = begin(**dict.fromkeys(gone, writer))
    os.close(writer)
    wait_for(server)
    if when == "while it serves":
        os.read(reader, 1)
        os.close(reader)
    assert server.post("speaks", ONES)[0] == 200
    assert server.post("speaks", [2.0, 0, 0, 0])[0] == 500
    assert server.post("speaks", ONES)[0] == 200
    assert server.end() == 0
    assert log_file(server).count("predicts") >= 3
    assert "two is none" in log_file(server)


def test_a_terminal_that_stands_still_keeps_no_server_from_its_end(begin: Begin) -> None:
    reader, writer = os.pipe()
    # Full from the first: nothing of what the server says has room.
    os.write(writer, b"x" * fcntl.fcntl(writer, fcntl.F_GETPIPE_SZ))
    server = begin(stdout=writer, stderr=writer)
    wait_for(server)
    assert server.post("speaks", ONES)[0] == 200
    assert server.end() == 0
    for one in (reader, writer):
        os.close(one)


def test_nohup_keeps_a_server_when_its_terminal_hangs_up(begin: Begin) -> None:
    server = begin("nohup")
    wait_for(server)
    server.process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        server.process.wait(1)
    assert server.post("speaks", ONES)[0] == 200
    assert server.end() == 0


def test_without_it_the_hang_up_is_an_end_as_any(begin: Begin) -> None:
    server = begin()
    wait_for(server)
    server.process.send_signal(signal.SIGHUP)
    assert server.process.wait(60) == 0
    assert "finishing what was accepted" in server.output()
