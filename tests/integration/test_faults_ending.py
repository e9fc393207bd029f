"""However a server on Ray ends, it leaves no process, and who was accepted is answered."""

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.integration.conftest import END_S, Run, Serve, alive, command_line, until


@pytest.fixture
def run(serve: Serve, repository: Path) -> Run:
    return serve(repository)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_accepted_calls_finish(run: Run, number: signal.Signals) -> None:
    ended: list[Any] = []

    def call() -> None:
        ended.append(run.infer("slow", 7.0))

    callers = [threading.Thread(target=call) for _ in range(2)]
    for caller in callers:
        caller.start()
    until(lambda: accepted(run, "slow") == 2, 20, "both calls are accepted")
    below = run.below()
    folder = sockets(run)
    assert folder.stat().st_mode & 0o077 == 0
    # As a terminal does it: Ctrl-C goes to the whole process group.
    os.killpg(run.process.pid, number)
    assert run.process.wait(END_S) == 0, run.said()
    for caller in callers:
        caller.join(END_S)
    assert [status for status, _ in ended] == [200, 200], ended
    assert not alive(below)
    assert not folder.exists()


def test_a_killed_server_leaves_no_process(run: Run) -> None:
    below = run.below()
    assert len(below) > 5
    run.process.kill()
    until(lambda: not alive(below), 10, "every process has ended")


def test_a_server_whose_keeper_is_killed_ends_too(run: Run) -> None:
    below = run.below()
    (keeper,) = [pid for pid in run.named("keeper.py") if pid in below]
    os.kill(keeper, signal.SIGKILL)
    assert run.process.wait(END_S) == 1
    assert "Ray ended by itself" in run.said()
    assert not alive(below)


def accepted(run: Run, name: str) -> int:
    """Calls that wait or run."""
    (model,) = [model for model in run.status()["models"] if model["name"] == name]
    (version,) = model["versions"]
    return int(version["waiting"]) + int(version["in_flight"])


def sockets(run: Run) -> Path:
    """The folder of this run's sockets."""
    (raylet,) = run.named("raylet/raylet")
    (option,) = [one for one in command_line(raylet).split() if one.startswith("--raylet_socket_")]
    return Path(option.partition("=")[2]).parent.parent
