"""Versions that share a host on Ray: one process, and what one of them costs the others."""

import os
import signal
from pathlib import Path

import pytest
from tests.integration.conftest import START_S, Run, Serve, alive, until, write_model
from tests.integration.models import BROKEN, DIES_LOADING, IDENTITY, MOODY, RUDE

SHARED = "placement: {isolation: shared}\n"
SERVED = ("first", "moody", "rude", "second")
#: Of a death, a hang and a reply: a machine of two cores may be busy.
SOON_S = 90.0


@pytest.fixture(scope="module")
def run(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Run:
    models = tmp_path_factory.mktemp("models")
    write_model(models, "alone", IDENTITY.format(pause=0))
    write_model(models, "broken", BROKEN, SHARED)
    for name in ("first", "second"):
        write_model(models, name, IDENTITY.format(pause=0), SHARED)
    write_model(models, "moody", MOODY, SHARED + "limits: {hang_timeout_s: 1}\n")
    write_model(models, "rude", RUDE, SHARED)
    return serve(models)


def all_answer(run: Run) -> bool:
    return all(run.answers(name) for name in SERVED)


def the_process(run: Run) -> int:
    (pid,) = run.pids("shared")
    return pid


def replaced(run: Run, pid: int) -> bool:
    return bool(run.pids("shared")) and pid not in run.pids("shared")


def test_one_process_carries_all_and_one_that_does_not_load_harms_no_other(run: Run) -> None:
    assert all_answer(run)
    assert run.answers("alone")
    processes = run.status()["processes"]
    assert set(processes) == {"gateway", "alone/1", "shared"}
    hosts = [pid for label in ("alone/1", "shared") for pid in processes[label]]
    assert len(hosts) == 2
    assert alive(set(hosts)) == set(hosts)
    assert set(run.named("ServeReplica:shared")) == set(processes["shared"])
    broken = run.version("broken")
    assert (broken["state"], broken["hosts"]) == ("failed", 0)
    assert "the weights are gone" in broken["reason"]
    status, body = run.infer("broken", 0.0)
    assert (status, "the weights are gone" in body["error"]) == (503, True)
    assert "headrace serves 5 of 6 models and is not ready: broken failed" in run.said()
    assert "; 1 lane of 1 thread; in shared" in run.said()
    assert {run.version(name)["process"] for name in SERVED} == {"shared"}


def test_lines_have_the_name_of_who_said_them_and_below_python_of_the_process(run: Run) -> None:
    assert run.infer("rude", 3.0)[0] == 200
    lines = {"rude/1 | said by the model", "shared | said below Python"}
    until(lambda: lines <= set(run.said().splitlines()), 30, "the terminal shows both lines")


def test_all_come_back_when_the_process_is_killed(run: Run) -> None:
    pid = the_process(run)
    os.kill(pid, signal.SIGKILL)
    until(lambda: replaced(run, pid), SOON_S, "another process is there")
    until(lambda: all_answer(run), SOON_S, "all answer")
    assert run.answers("alone", timeout_s=10)
    assert {run.version(name)["deaths"] for name in SERVED} == {1}
    assert run.version("alone")["deaths"] == 0


def test_a_model_that_hangs_costs_the_process_and_the_others_wait_for_the_next(run: Run) -> None:
    pid = the_process(run)
    status, body = run.infer("moody", 1.0, 60.0)
    assert (status, "hang_timeout_s" in body["error"]) == (500, True)
    until(lambda: replaced(run, pid), SOON_S, "another process is there")
    until(lambda: all_answer(run), SOON_S, "all answer")
    assert "model 'moody' version 1 did not return" in run.version("second")["last_death"]


def test_what_ends_the_process_as_it_loads_is_left_out_of_the_third(
    serve: Serve, tmp_path: Path
) -> None:
    for name, source in (("a", IDENTITY.format(pause=0)), ("b", DIES_LOADING)):
        write_model(tmp_path / "models", name, source, SHARED)
    write_model(tmp_path / "models", "c", IDENTITY.format(pause=0), SHARED)
    run = serve(tmp_path / "models")
    until(lambda: run.answers("a") and run.answers("c"), START_S, "the others answer")
    left_out = run.version("b")
    assert left_out["state"] == "failed"
    assert "ended again while it loaded" in left_out["reason"]
    assert run.said().count("a try to load") == 2
    # It stays so, whatever ends the process later.
    pid = the_process(run)
    os.kill(pid, signal.SIGKILL)
    until(lambda: replaced(run, pid), SOON_S, "another process is there")
    until(lambda: run.answers("a") and run.answers("c"), SOON_S, "the others answer")
    assert run.said().count("a try to load") == 2
    assert run.version("b")["state"] == "failed"
    assert run.end() == 0
