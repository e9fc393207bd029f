"""A process of a server on Ray is killed under load: every call ends, the server is whole again."""

import os
import signal
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from tests.integration.conftest import Run, Serve, serving, stop, until
from tests.integration.load import CALL_S, CALLERS, Ended, Protocol, call, client, load

PROTOCOLS: Final[tuple[Protocol, ...]] = ("http", "grpc")


@pytest.fixture(scope="module")
def run(serve: Serve, repository: Path) -> Run:
    return serve(repository)


def test_a_killed_host_costs_at_most_the_calls_it_was_running(run: Run) -> None:
    with load(run) as calls:
        (host,) = run.pids("identity/1")
        os.kill(host, signal.SIGKILL)
        until(lambda: run.answers("identity"), 30, "the host is replaced")
        calls.flows_on()
    told = {how: count for how, count in calls.ended.items() if how != "right"}
    assert set(told) <= {"told: 500", "told: 503"}, told
    assert sum(told.values()) <= 2 * CALLERS, told
    until(lambda: run.pids("identity/1") not in ([], [host]), 30, "the status shows the new host")


def test_a_model_that_exits_answers_its_caller_and_comes_back(run: Run) -> None:
    status, body = run.infer("rude", 2.0)
    assert status in (500, 503), body
    assert "the host that ran it is gone" in body["error"]
    until(lambda: run.answers("rude"), 60, "the model serves again")
    assert "rude/1 | these are its last words" in run.said()
    assert run.answers("identity"), "another model's host is untouched"


def test_a_killed_gateway_is_replaced_on_the_same_ports(run: Run) -> None:
    gateway, standby = gateways(run)
    host, _, port = run.http.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"POST /v2/models/slow/infer HTTP/1.1\r\nHost: x\r\n")
        killed = time.monotonic()
        os.kill(gateway, signal.SIGKILL)
        with suppress(ConnectionResetError):
            assert connection.recv(1) == b""
        assert time.monotonic() - killed < 5, "who was connected hears of it at once"
    until(lambda: run.answers("identity"), 20, "new connections are served")
    assert serving(run) == [standby], "without another process's start"


def gateways(run: Run) -> tuple[int, int]:
    """The one that serves, and the one that stands by."""
    until(lambda: len(run.pids("gateway")) == 2, 60, "one serves and one stands by")
    (one,) = serving(run)
    (other,) = set(run.pids("gateway")) - {one}
    return one, other


def test_a_gateway_killed_under_load_cuts_what_runs_and_the_next_one_answers(run: Run) -> None:
    gateway, standby = gateways(run)
    cut: list[Ended] = []

    def wait(protocol: Protocol) -> None:
        with client(run, protocol) as connected:
            cut.append(call(connected, "slow", np.ones((1, 4), np.float32)))

    waiting = [threading.Thread(target=wait, args=(one,)) for one in PROTOCOLS]
    with load(run, protocol="http") as http, load(run, protocol="grpc") as grpc:
        for thread in waiting:
            thread.start()
        until(lambda: run.accepted("slow") == 2, 20, "one call runs, one waits")
        killed = time.monotonic()
        os.kill(gateway, signal.SIGKILL)
        for protocol in PROTOCOLS:
            until(lambda one=protocol: right(run, one), 20, "new callers are answered")  # type: ignore[misc]
        assert serving(run) == [standby], "without another process's start"
        for thread in waiting:
            thread.join(CALL_S)
        assert not [one.how for one in cut if one.how in ("right", "wrong")]
        assert all(one.ended - killed < 5 for one in cut), "who waited hears of it at once"
        http.flows_on()
        grpc.flows_on()
    assert not http.ended["wrong"] + grpc.ended["wrong"]


def right(run: Run, protocol: Protocol) -> bool:
    with client(run, protocol) as connected:
        return call(connected, "identity", np.ones((1, 4), np.float32)).how == "right"


def test_a_gateway_that_stands_still_is_replaced_by_the_one_that_stands_by(run: Run) -> None:
    gateway, standby = gateways(run)
    stop(gateway)
    stopped = time.monotonic()
    until(lambda: run.answers("identity", timeout_s=0.2), 20, "the other one serves")
    assert time.monotonic() - stopped > 0.5, "it was given its time"
    assert serving(run) == [standby]
    ended = f"headrace | gateway (process {gateway}) stood still for 1 s: ended"
    until(lambda: ended in run.said(), 30, "the log has it")


def test_a_host_that_stands_still_is_replaced(run: Run) -> None:
    (host,) = run.pids("identity/1")
    stop(host)
    until(lambda: run.answers("identity", timeout_s=15), 25, "another one answers")
    until(lambda: run.pids("identity/1") not in ([], [host]), 30, "the status shows the new host")


@pytest.mark.parametrize("name", ["raylet/raylet", "keeper.py"])
def test_what_the_server_cannot_do_without_is_woken_when_it_stands_still(
    run: Run, name: str
) -> None:
    (pid,) = run.named(name)
    with load(run) as calls:
        stop(pid)
        until(
            lambda: f"(process {pid}) stood still for 3 s: woken" in run.said(), 30, "it is woken"
        )
        calls.flows_on()
    assert set(calls.ended) == {"right"}, calls.ended
    assert run.named(name) == [pid]


@pytest.mark.parametrize("name", ["ServeController", "gcs_server"])
def test_what_places_hosts_is_replaced_when_it_stands_still(run: Run, name: str) -> None:
    (pid,) = run.named(name)
    with load(run) as calls:
        stop(pid)
        until(lambda: run.named(name) not in ([], [pid]), 60, "there is a new one")
        calls.flows_on()
    assert set(calls.ended) == {"right"}, calls.ended


def test_serves_controller_dies_unnoticed(run: Run) -> None:
    with load(run) as calls:
        (controller,) = run.named("ServeController")
        os.kill(controller, signal.SIGKILL)
        until(lambda: run.named("ServeController") not in ([], [controller]), 60, "a new one")
        calls.flows_on()
    assert set(calls.ended) == {"right"}, calls.ended


def test_rays_head_store_dies_unnoticed_and_comes_back(run: Run) -> None:
    with load(run) as calls:
        (gcs,) = run.named("gcs_server")
        os.kill(gcs, signal.SIGKILL)
        until(lambda: run.named("gcs_server") not in ([], [gcs]), 60, "a new one")
        calls.flows_on()
    assert set(calls.ended) == {"right"}, calls.ended
    (host,) = run.pids("identity/1")
    os.kill(host, signal.SIGKILL)
    until(lambda: run.answers("identity"), 90, "what needs Ray works again")


def test_a_host_that_dies_while_serves_controller_comes_back_is_replaced(run: Run) -> None:
    (controller,) = run.named("ServeController")
    (host,) = run.pids("identity/1")
    # A host that does not answer keeps the new controller waiting for it, as a busy machine does.
    os.kill(host, signal.SIGSTOP)
    os.kill(controller, signal.SIGKILL)
    until(
        lambda: recovers(run, "identity", controller), 60, "the new controller looks for the host"
    )
    # What dies now counts as one that could not start, and Serve starts no other by itself.
    os.kill(host, signal.SIGKILL)
    until(lambda: run.answers("identity"), 90, "the host is replaced")
    until(lambda: run.pids("identity/1") not in ([], [host]), 30, "the status shows the new host")


def recovers(run: Run, model: str, before: int) -> bool:
    """True once a controller that is not process ``before`` asked for the replicas of a model."""
    # Not by Ray's link `session_latest`: each worker that starts removes it and makes it anew.
    (logs,) = run.state.glob("headrace-ray/r/session_2*/logs/serve")
    new = [logs / f"controller_{pid}.log" for pid in run.named("ServeController") if pid != before]
    asks = f"Recovering current state for Deployment(name='host', app='host-{model}-1')"
    return any(log.exists() and asks in log.read_text() for log in new)
