"""Models that misbehave on Ray: their callers are told, and nobody else suffers."""

import os
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from tests.integration.conftest import Run, Serve, until, write_model
from tests.integration.load import load
from tests.integration.models import DIES_LOADING, MOODY

#: What `MOODY` does for each number.
SLEEP, HOLD, EXIT, KILLED, SEGFAULT, ABORT, RAISE, LOSE = range(1, 9)
HANG_S: Final = 3


@pytest.fixture(scope="module")
def run(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Run:
    models = tmp_path_factory.mktemp("models")
    hang = f"limits: {{hang_timeout_s: {HANG_S}}}\n"
    write_model(models, "hangs", MOODY, hang)
    write_model(models, "slow", MOODY, "limits: {hang_timeout_s: 60}\n")
    write_model(models, "dies", MOODY)
    write_model(models, "poisoned", MOODY, "repeatable: true\n")
    write_model(models, "good", MOODY)
    write_model(models, "loads", DIES_LOADING)
    return serve(models)


def test_a_server_says_which_of_its_models_failed_and_why(run: Run) -> None:
    assert "headrace is ready" not in run.said()
    assert "headrace serves 5 of 6 models and is not ready: loads failed" in run.said()
    reason = run.version("loads")["reason"]
    assert reason.startswith("its process ended while it loaded: it ended without a word")
    assert f"loads/1: failed, {reason}" in run.said()
    assert run.said().count("loads/1 | a try to load") == 1, "it does not spin"


@pytest.mark.parametrize("how", [SLEEP, HOLD])
def test_a_model_that_hangs_is_answered_for_and_its_process_replaced(run: Run, how: int) -> None:
    (host,) = run.pids("hangs/1")
    before = run.version("hangs")["deaths"]
    began = time.monotonic()
    status, body = run.infer("hangs", how, 60)
    took = time.monotonic() - began
    assert status == 500
    assert f"model 'hangs' version 1 did not return a batch within {HANG_S} s" in body["error"]
    assert "raise limits.hang_timeout_s" in body["error"]
    assert HANG_S <= took < HANG_S + 20, took
    # One that holds the interpreter's lock leaves nobody to speak: that is waited for, 2 s.
    until(lambda: run.answers("hangs"), 60, "another process serves")
    assert run.pids("hangs/1") != [host]
    version = run.version("hangs")
    assert version["deaths"] == before + 1
    assert f"did not return a batch within {HANG_S} s" in version["last_death"]
    where = [line for line in run.said().splitlines() if "in act" in line]
    assert len(where) == before + 1, "the log has where it hung"
    assert run.answers("good")


def test_a_process_that_lost_its_device_is_replaced_and_its_callers_are_told(run: Run) -> None:
    (host,) = run.pids("dies/1")
    before = run.version("dies")["deaths"]
    status, body = run.infer("dies", LOSE, timeout_s=30)
    assert status == 503
    assert "cuda:0 is lost to this process: an illegal memory access" in body["error"]
    until(lambda: run.answers("dies"), 60, "another process serves")
    assert run.pids("dies/1") != [host]
    version = run.version("dies")
    assert version["deaths"] == before + 1
    assert "lost its device" in version["last_death"]
    assert run.answers("good")


def test_a_request_that_costs_two_processes_their_device_gets_no_third(run: Run) -> None:
    """It may run twice, and was alone the second time: nobody else is suspected."""
    (host,) = run.pids("poisoned/1")
    status, body = run.infer("poisoned", LOSE, 7.5, timeout_s=60)
    assert status == 503
    assert "two hosts were lost while they ran this very input" in body["error"]
    until(lambda: run.answers("poisoned"), 60, "another process serves")
    assert run.pids("poisoned/1") != [host]
    assert run.answers("good")


def test_who_holds_the_interpreter_for_less_than_its_limit_keeps_its_process(run: Run) -> None:
    """Serve's own check of a host needs the interpreter, and would give up after half a minute."""
    (host,) = run.pids("slow/1")
    ended: list[Any] = []
    caller = threading.Thread(
        target=lambda: ended.append(run.infer("slow", HOLD, 36, timeout_s=60))
    )
    caller.start()
    until(lambda: run.accepted("slow") == 1, 20, "the call runs")
    while caller.is_alive():
        assert run.answers("good"), "others are served meanwhile"
        caller.join(1)
    assert [status for status, _ in ended] == [200], ended
    assert run.pids("slow/1") == [host]
    assert run.version("slow")["deaths"] == 0


@pytest.mark.parametrize(
    ("how", "why"),
    [
        (EXIT, "it ended without a word"),
        (KILLED, "it ended without a word"),
        (SEGFAULT, "Segmentation fault"),
        (ABORT, "Aborted"),
    ],
)
def test_a_model_that_ends_its_process_is_answered_for_and_comes_back(
    run: Run, how: int, why: str
) -> None:
    before = run.version("dies")["deaths"]
    status, body = run.infer("dies", how)
    assert status == 503
    assert "model 'dies' version 1: the host that ran it is gone" in body["error"]
    until(lambda: run.version("dies")["deaths"] == before + 1, 30, "the status has it")
    assert why in run.version("dies")["last_death"]
    until(lambda: run.answers("dies", timeout_s=5), 60, "another process serves")
    assert run.answers("good")


def test_deaths_in_a_row_slow_a_model_down_and_nobody_else(run: Run) -> None:
    """Four came before. Each of these is another input, so that none is refused."""
    assert run.version("dies")["deaths"] >= 4
    status, _ = run.infer("dies", EXIT, 1)
    assert status == 503
    until(
        lambda: "after so many deaths in a row the next one begins in" in reason(run), 20, "it says"
    )
    assert run.answers("good")
    until(lambda: run.answers("dies", timeout_s=5), 90, "another process serves in the end")


def reason(run: Run) -> str:
    return str(run.version("dies")["reason"])


def test_exit_in_a_model_ends_its_batch_only(run: Run) -> None:
    (host,) = run.pids("good/1")
    status, body = run.infer("good", RAISE)
    assert status == 500
    assert "raised SystemExit: 3" in body["error"]
    assert run.answers("good")
    assert run.pids("good/1") == [host]


def test_a_request_that_kills_its_host_costs_two_and_is_refused(run: Run) -> None:
    """Two such requests, among good ones, which are all answered."""

    def deaths() -> int:
        return int(run.version("poisoned")["deaths"])

    def have_died(count: int) -> bool:
        return deaths() >= count

    before = deaths()
    with (
        load(run, "poisoned", "http", value=0.5) as http,
        load(run, "poisoned", "grpc", value=0.25) as grpc,
    ):
        for number, poison in enumerate([(KILLED, 1.0), (KILLED, 2.0)], 1):
            status, body = run.infer("poisoned", *poison)
            assert status == 503
            assert "two hosts were lost while they ran this very input" in body["error"]
            # The caller may know of the second death before the server has looked at its hosts.
            until(partial(have_died, before + 2 * number), 30, "both deaths are counted")
            began = time.monotonic()
            status, body = run.infer("poisoned", *poison)
            assert time.monotonic() - began < 10, "it waits for no host"
            assert status == 503
            assert "it is refused for a minute" in body["error"]
            http.flows_on()
            grpc.flows_on()
        assert deaths() == before + 4
    for calls in (http, grpc):
        assert set(calls.ended) == {"right"}, calls.ended


def test_memory_of_hosts_is_shown(run: Run) -> None:
    (host,) = run.pids("good/1")
    pages = int(Path(f"/proc/{host}/statm").read_text().split()[1])
    resident = pages * os.sysconf("SC_PAGE_SIZE")
    assert run.status()["memory_bytes"]["good/1"] == pytest.approx(resident, rel=0.2)
    page = run.page(f"{run.metrics}/metrics")
    labels = f'headrace_host_resident_memory_bytes{{model="good",version="1",process="{host}"}} '
    (line,) = [line for line in page.splitlines() if line.startswith(labels)]
    assert float(line.removeprefix(labels)) == pytest.approx(resident, rel=0.2)
    assert "headrace_panics_total 0" in page
