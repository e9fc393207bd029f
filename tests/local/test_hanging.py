"""Models that do not come back, in the one process that all versions share."""

import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.local.test_serving import listens, runs, until

LIMIT = "limits: {hang_timeout_s: 1}\n"
#: Sleeps for as many seconds as it is told to; HOLDS keeps the interpreter's lock meanwhile.
SLEEPS = 'time.sleep(float(batch["x"][0, 0])); return {"y": batch["x"]}'
HOLDS = 'import ctypes\nctypes.PyDLL(None).sleep(int(batch["x"][0, 0]))\nreturn {"y": batch["x"]}'


def call(own: Any, model: str, seconds: float, answers: list[Any]) -> threading.Thread:
    """Ask a model to take so long, on another thread."""

    def ask() -> None:
        with suppress(OSError):
            answers.append(own.post(model, [seconds, 0, 0, 0]))

    caller = threading.Thread(target=ask, daemon=True)
    caller.start()
    return caller


def test_a_version_that_hangs_is_out_and_the_others_serve(
    serve: Callable[..., Any], write: Callable[..., Any]
) -> None:
    write("good", 'return {"y": batch["x"] * 2}')
    own = serve(write("hangs", SLEEPS, LIMIT))
    own.wait_ready()
    began = time.monotonic()
    status, answer = own.post("hangs", [4.0, 0, 0, 0])
    assert status == 500
    assert "model 'hangs' version 1 did not return a batch within 1 s" in answer["error"]
    assert 1 <= time.monotonic() - began < 4, "its caller waits no longer than it may"
    until(lambda: own.post("hangs", [0.0] * 4)[0] == 503, "nobody else is let in")
    status, answer = own.post("hangs", [0.0] * 4)
    assert "start headrace again to serve it" in answer["error"]
    assert own.post("good", [1.0] * 4)[0] == 200
    assert "failed" in own.command("status", code=1)
    assert own.get(f"http://{own.http}/v2/health/ready")[0] == 503
    assert 'models/hangs/1/model.py", line 12, in predict' in own.output(), "the log has where"
    until(lambda: "its callers were not waiting any more" in own.output(), "it comes back late")
    assert own.post("good", [1.0] * 4)[0] == 200
    began = time.monotonic()
    assert own.end() == 0
    assert time.monotonic() - began < 10


def test_callers_of_a_model_that_holds_the_interpreter_are_answered(
    serve: Callable[..., Any], write: Callable[..., Any]
) -> None:
    own = serve(write("holds", HOLDS, LIMIT))
    own.wait_ready()
    answers: list[Any] = []
    caller = call(own, "holds", 20, answers)
    caller.join(15)
    ((status, answer),) = answers
    assert status == 500
    assert "did not return a batch within 1 s" in answer["error"]
    # Python can do nothing now. Who asks twice does not wait for the model nevertheless.
    began = time.monotonic()
    own.process.send_signal(signal.SIGINT)
    own.process.send_signal(signal.SIGTERM)
    assert own.process.wait(30) == -signal.SIGKILL
    assert time.monotonic() - began < 12
    assert "a model keeps this process from ending" in own.output()


def test_one_signal_ends_a_process_whose_interpreter_is_held(
    serve: Callable[..., Any], write: Callable[..., Any], tmp_path: Path
) -> None:
    here = tmp_path / "here"
    own = serve(write("holds", f"open({str(here)!r}, 'w').close()\n{HOLDS}"), drain_s=1.0)
    own.wait_ready()
    here.unlink()
    call(own, "holds", 60, [])
    until(here.exists, "the call runs")
    began = time.monotonic()
    own.process.send_signal(signal.SIGTERM)
    assert own.process.wait(30) == -signal.SIGABRT
    assert time.monotonic() - began < 15
    assert "in predict" in own.output(), "and says where it was"


def test_an_end_that_does_not_finish_says_what_it_waited_for(
    serve: Callable[..., Any], write: Callable[..., Any]
) -> None:
    own = serve(write("slow", SLEEPS), drain_s=1.0)
    own.wait_ready()
    call(own, "slow", 60, [])
    until(lambda: runs(own) == 1, "the call runs")
    began = time.monotonic()
    assert own.end() == 0
    assert time.monotonic() - began < 10
    assert "finishing what was accepted; once more ends it at once" in own.output()
    assert "not everything was finished within 1 s: slow/1 (0 waiting, 1 running)" in own.output()


def test_a_second_signal_ends_the_server_with_its_own_code(
    serve: Callable[..., Any], write: Callable[..., Any]
) -> None:
    own = serve(write("slow", SLEEPS))
    own.wait_ready()
    call(own, "slow", 60, [])
    until(lambda: runs(own) == 1, "the call runs")
    own.process.send_signal(signal.SIGINT)
    until(lambda: not listens(own.port), "the drain has begun")
    own.process.send_signal(signal.SIGTERM)
    assert own.process.wait(30) == 128 + signal.SIGTERM
