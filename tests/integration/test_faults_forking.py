"""Models on Ray that fork: a host that dies is noticed though its children live."""

import os
import signal
import time
from contextlib import suppress
from typing import Final

import pytest
from tests.integration.conftest import START_S, Run, Serve, alive, until, write_model

#: Does what the first number of its input says.
FORKS: Final = """
    import multiprocessing, os, time
    from headrace import Batch, Context, Model, Tensor

    class Forks(Model):
        inputs = [Tensor("x", "FP32", [4])]
        outputs = [Tensor("y", "FP32", [4])]

        def load(self, context: Context) -> None: ...

        def predict(self, batch: Batch):
            wish = int(batch["x"][0, 0])
            if wish == 1:
                if (child := os.fork()) == 0:
                    print("said by the child", flush=True)
                    time.sleep(600)
                print(f"forked {child}.")
            if wish == 2:
                os._exit(3)
            if wish == 3:
                with multiprocessing.get_context("fork").Pool(2) as pool:
                    pool.map(abs, [-1, -2])
            if wish == 4:
                os.fork()
            return {"y": batch["x"]}
"""
SLEEPS, DIES, POOL, COMES_BACK = 1.0, 2.0, 3.0, 4.0


@pytest.fixture(scope="module")
def run(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("models")
    write_model(folder, "forks", FORKS)
    return serve(folder)


def test_a_pool_of_processes_costs_its_host_nothing(run: Run) -> None:
    (host,) = run.pids("forks/1")
    assert run.infer("forks", POOL)[0] == 200
    time.sleep(1)  # noqa: TID251 - nothing tells that a host does not end
    assert run.answers("forks")
    assert run.pids("forks/1") == [host]


def test_a_forked_process_that_comes_back_answers_nobody_and_ends(run: Run) -> None:
    for number in range(10):
        assert run.infer("forks", COMES_BACK)[0] == 200
        status, body = run.infer("forks", 10.0 + number)
        assert (status, body["outputs"][0]["data"][0]) == (200, 10.0 + number)
    until(
        lambda: run.said().count("forks/1 forked came back from it") == 10,
        START_S,
        "all of them ended",
    )


def test_a_host_that_dies_is_replaced_though_a_process_that_it_forked_lives(run: Run) -> None:
    assert run.infer("forks", SLEEPS)[0] == 200
    until(lambda: "forks/1 | said by the child" in run.said(), 30, "the child is heard")
    until(lambda: "forks/1 | forked " in run.said(), 30, "its parent is")
    child = int(run.said().rpartition("forks/1 | forked ")[2].partition(".")[0])
    try:
        began = time.monotonic()
        status, body = run.infer("forks", DIES)
        assert status == 503, body
        assert time.monotonic() - began < 20, "a host that hangs is given up after thirty seconds"
        until(lambda: run.answers("forks", timeout_s=5), START_S, "another host serves")
        until(lambda: not alive({child}), START_S, "Ray ends what a host leaves behind")
        assert "Traceback" not in run.said()
    finally:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
