"""Processes that wait for the next host: how many there are, and when more are asked for."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from os import getpid
from pathlib import Path
from typing import Any

import pytest
from tests.unit.watched import Serve

from headrace.config.schema import ModelConfig
from headrace.repository.folder import Version
from headrace.serve import fleet, workers
from headrace.serve.cluster import Cluster

#: Takes a name, as Ray's workers do, says so, and waits.
NAMED = """
import sys
if sys.argv[1]:
    open("/proc/self/comm", "w").write(sys.argv[1])
print(flush=True)
sys.stdin.read()
"""


@contextmanager
def child(name: str, program: str = "") -> Iterator[None]:
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", NAMED, name, program], stdin=pipe, stdout=pipe
    ) as one:
        assert one.stdout is not None
        one.stdout.readline()
        yield


def test_who_waits_and_who_is_about_to_is_counted() -> None:
    before = workers.waiting(getpid())
    with child(workers.IDLE), child("", "/ray/default_worker.py"), child("ray::ServeRepli"):
        assert workers.waiting(getpid()) == before + 2
    assert workers.waiting(getpid()) == before
    # One that is gone has nobody.
    assert workers.waiting(1 << 22) == 0


@pytest.mark.parametrize(
    ("kept", "waiting", "asked"), [(1, 0, [1]), (1, 1, []), (1, 2, []), (0, 0, []), (3, 1, [2])]
)
def test_as_many_are_asked_for_as_are_missing(
    monkeypatch: pytest.MonkeyPatch, kept: int, waiting: int, asked: list[int]
) -> None:
    begun: list[int] = []
    monkeypatch.setattr(workers, "waiting", lambda raylet: waiting)
    monkeypatch.setattr(workers, "begin_more", begun.append)
    one: Any = Cluster.__new__(Cluster)
    one._head = {"raylet_pid": 7}
    one.keep_spares(kept)
    assert begun == asked


def test_what_comes_next_is_made_ready_for_while_nothing_is_under_way() -> None:
    serve = Serve({"host-m-1": fleet.Application("DEPLOYING")})
    watching = serve.watch(Version("m", 1, Path("/m/m/1"), "python", ModelConfig()))
    watching.start()
    for _ in range(2):
        assert serve.asked.acquire(timeout=60)
    assert not serve.rested.is_set()
    serve.applications = {"host-m-1": fleet.Application("RUNNING", {"RUNNING": 1})}
    watching.hear("m/1", {"event": "moved", "version": "m/1", "state": "ready", "reason": ""})
    assert serve.rested.wait(60)
    watching.stop(60)
