"""However a server on Ray ends, it leaves no process, and who was accepted is answered."""

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.integration.conftest import (
    END_S,
    START_S,
    Run,
    Serve,
    alive,
    command_line,
    until,
    write_model,
)
from tests.integration.load import CALLERS, load
from tests.integration.models import SLEEPER

from headrace.serve.places import claim, release


@pytest.fixture
def run(serve: Serve, tmp_path: Path) -> Run:
    write_model(tmp_path / "models", "sleeper", SLEEPER, "batching: {max_rows: 1}\n")
    return serve(tmp_path / "models")


def test_ctrl_c_lets_accepted_calls_finish(run: Run) -> None:
    ended: list[Any] = []

    def call() -> None:
        ended.append(run.infer("sleeper", 2.5))

    callers = [threading.Thread(target=call) for _ in range(2)]
    for caller in callers:
        caller.start()
    until(lambda: run.accepted("sleeper") == 2, 20, "both calls are accepted")
    below = run.below()
    folder = sockets(run)
    assert folder.stat().st_mode & 0o077 == 0
    # The end needs nothing of Ray's: Serve's controller may be away or stand still.
    for controller in run.named("ServeController"):
        os.kill(controller, signal.SIGSTOP)
    # As a terminal does it: Ctrl-C goes to the whole process group.
    os.killpg(run.process.pid, signal.SIGINT)
    assert run.process.wait(END_S) == 0, run.said()
    for caller in callers:
        caller.join(END_S)
    assert [status for status, _ in ended] == [200, 200], ended
    assert not alive(below)
    assert not folder.exists()


def test_sigterm_under_a_load_that_goes_on_answers_all_who_were_accepted(run: Run) -> None:
    # More callers than can be served: each call waits for those of the others, some two seconds.
    with (
        load(run, "sleeper", "http", value=0.25, flowing=CALLERS) as http,
        load(run, "sleeper", "grpc", value=0.25, flowing=CALLERS) as grpc,
    ):
        until(lambda: run.accepted("sleeper") == 2 * CALLERS, 20, "all calls are accepted")
        signalled = time.monotonic()
        assert run.end() == 0, run.said()
    assert "not everything was finished" not in run.said()
    for calls in (http, grpc):
        assert not calls.ended["wrong"]
        in_flight = [one for one in calls.calls if one.began < signalled - 0.1 < one.ended]
        assert in_flight
        assert {one.how for one in in_flight} == {"right"}, calls.ended


def test_a_second_ctrl_c_ends_the_server_at_once(run: Run) -> None:
    caller = begin_to_drain(run)
    ended = time.monotonic()
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(END_S) == 128 + signal.SIGINT
    assert time.monotonic() - ended < 15, "not only once the drain is over"
    caller.join(END_S)


def test_a_gateway_that_dies_while_it_drains_ends_the_server_at_once(run: Run) -> None:
    caller = begin_to_drain(run)
    for gateway in run.named("ServeReplica:gateway"):
        os.kill(gateway, signal.SIGKILL)
    assert run.process.wait(20) == 1
    assert "what it had not answered is lost" in run.said()
    caller.join(END_S)


def begin_to_drain(run: Run) -> threading.Thread:
    """Send a signal while a call runs that takes longer than the end may."""

    def call() -> None:
        with suppress(OSError):
            run.infer("sleeper", 25.0, timeout_s=40)

    caller = threading.Thread(target=call)
    caller.start()
    until(lambda: run.accepted("sleeper") == 1, 20, "the call is accepted")
    run.process.send_signal(signal.SIGINT)
    until(lambda: not run.listens(), 20, "the drain has begun")
    return caller


def test_a_killed_server_leaves_no_process(run: Run) -> None:
    below = run.below()
    assert len(below) > 5
    run.process.kill()
    until(lambda: not alive(below), END_S, "every process has ended")


@pytest.fixture(scope="module")
def lasting(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """One that begins again and again."""
    models = tmp_path_factory.mktemp("models")
    write_model(models, "sleeper", SLEEPER, "batching: {max_rows: 1}\n")
    run = serve(models)
    yield run
    assert run.end() == 0, "a signal reaches it as before"


def begins_again(run: Run, because: Callable[[], None]) -> str:
    """Have it begin again; return what it said meanwhile."""
    before = run.said()
    because()
    until(lambda: "headrace is ready" in run.said()[len(before) :], START_S, "it is ready again")
    assert run.infer("sleeper", 0.0)[0] == 200
    return run.said()[len(before) :]


@pytest.mark.parametrize("root", ["raylet/raylet", "keeper.py"])
def test_a_server_that_loses_ray_begins_again_as_the_same_process(lasting: Run, root: str) -> None:
    # Now: Ray is being asked for the second gateway.
    below, folder = lasting.below(), sockets(lasting)
    (victim,) = lasting.named(root)
    said = begins_again(lasting, lambda: os.kill(victim, signal.SIGKILL))
    assert "Ray ended by itself" in said
    assert not alive(below)
    assert not folder.exists()


def test_a_server_whose_state_folder_was_deleted_begins_again_when_a_host_dies(
    lasting: Run,
) -> None:
    (host,) = lasting.pids("sleeper/1")

    def lose() -> None:
        shutil.rmtree(lasting.state / "headrace-ray")
        os.kill(host, signal.SIGKILL)

    said = begins_again(lasting, lose)
    assert "is gone, without which Ray replaces nothing; everything begins again" in said


def test_a_server_that_loses_ray_before_it_is_ready_ends(serve: Serve, tmp_path: Path) -> None:
    endless = SLEEPER.replace("-> None: ...", "-> None: time.sleep(1000)")
    write_model(tmp_path / "models", "sleeper", endless)
    run = serve(tmp_path / "models", wait=False)
    until(lambda: "sleeper/1 | loading" in run.said(), START_S, "the model loads")
    below = run.below()
    os.kill(run.named("raylet/raylet")[0], signal.SIGKILL)
    assert run.process.wait(END_S) == 1
    assert "Ray ended by itself" in run.said()
    assert not alive(below)


def test_keeper_and_server_killed_in_one_moment_leave_no_process(run: Run) -> None:
    below, folder = run.below(), sockets(run)
    (keeper,) = run.named("keeper.py")
    # A stopped process does not see that its raylet has gone.
    for stopped in (*run.pids("sleeper/1"), *run.named("ServeController")):
        os.kill(stopped, signal.SIGSTOP)
    os.kill(keeper, signal.SIGKILL)
    run.process.kill()
    run.process.wait(END_S)
    until(lambda: not alive(below), END_S, "every process has ended")
    assert folder.exists(), "nobody was left to remove it"
    release(claim(run.state))
    assert not folder.exists(), "who has the state folder next does"


def sockets(run: Run) -> Path:
    """The folder of this run's sockets."""
    (raylet,) = run.named("raylet/raylet")
    (option,) = [one for one in command_line(raylet).split() if one.startswith("--raylet_socket_")]
    return Path(option.partition("=")[2]).parent.parent


def test_an_end_with_a_model_that_hangs_is_bounded_and_says_what_it_waited_for(
    serve: Serve, tmp_path: Path
) -> None:
    write_model(tmp_path / "models", "sleeper", SLEEPER, "batching: {max_rows: 1}\n")
    run = serve(tmp_path / "models", drain_s=2.0)
    below = run.below()
    callers = [
        threading.Thread(target=lambda: suppressed(run, 60.0), daemon=True) for _ in range(2)
    ]
    for caller in callers:
        caller.start()
    until(lambda: run.accepted("sleeper") == 2, 20, "both calls are accepted")
    began = time.monotonic()
    assert run.end() == 0
    assert time.monotonic() - began < 20
    assert (
        "headrace: not everything was finished within 2 s: sleeper/1 (0 waiting, 2 running)"
        in run.said()
    )
    assert not alive(below)


def suppressed(run: Run, seconds: float) -> None:
    with suppress(OSError):
        run.infer("sleeper", seconds)
