"""A watch looks at Serve only while there is reason to, and never after it was stopped."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.watched import RUNNING, Serve

from headrace.config.schema import ModelConfig
from headrace.repository.folder import Version
from headrace.serve import deaths, fleet, watch


def test_who_was_stopped_does_not_ask_again() -> None:
    serve = Serve({})
    watching = serve.watch()
    watching.start()
    assert serve.asked.acquire(timeout=60)
    watching.stop(60)
    while serve.asked.acquire(blocking=False):
        pass
    watching.hear("nobody/1", {"event": "gone"})
    assert not serve.asked.acquire(timeout=0.3)


def test_a_watch_that_never_began_may_be_stopped() -> None:
    Serve({}).watch().stop(0)


def test_a_gateway_that_cannot_start_ends_the_run() -> None:
    failed = fleet.Application("DEPLOY_FAILED", message="Traceback\nOSError: no memory\n")
    serve = Serve({"gateway": failed})
    watching = serve.watch()
    watching.start()
    assert serve.asked.acquire(timeout=60)
    watching.stop(60)
    assert serve.broken[0] == "the gateway could not start: OSError: no memory"


def test_a_gateway_that_dies_as_a_table_comes_is_asked_for_anew() -> None:
    serve = Serve({"gateway": fleet.Application("DEPLOY_FAILED", message="a check failed")})
    watching = serve.watch()
    watching.hear("gateway", {"event": "here", "pid": 7})
    watching.hear("gateway", {"event": "applied", "pid": 7, "term": 1, "sequence": 1})
    watching.start()
    for _ in range(2):
        assert serve.asked.acquire(timeout=60)
    serve.applications = RUNNING
    assert serve.asked.acquire(timeout=60)
    watching.stop(60)
    assert serve.broken == []
    assert serve.published[:2] == [2, 3], "until Serve has it"


def test_a_group_that_serve_gave_up_is_begun_again_once_for_each_time_it_served() -> None:
    serve = Serve({"host-m-1": fleet.Application("DEPLOY_FAILED", message="the actor died")})
    version = Version("m", 1, Path("/m/m/1"), "python", ModelConfig())
    watching = serve.watch(version)
    watching.hear("m/1", {"event": "moved", "version": "m/1", "state": "ready", "reason": ""})
    watching.hear("m/1", {"event": "gone"})
    watching.start()
    for _ in range(2):
        assert serve.asked.acquire(timeout=60)
    watching.stop(60)
    assert serve.again == [("m/1", 1)]


def test_the_number_of_hosts_is_told_though_the_version_stands_where_it_stood() -> None:
    one, two = (fleet.Application("RUNNING", {"RUNNING": number}) for number in (1, 2))
    serve = Serve({"host-m-1": two})
    watching = serve.watch(Version("m", 1, Path("/m/m/1"), "python", ModelConfig()))
    watching.hear("m/1", {"event": "moved", "version": "m/1", "state": "ready", "reason": "loaded"})
    watching.start()
    for application in (one, two):
        assert serve.asked.acquire(timeout=60)
        serve.applications = {"host-m-1": application}
        watching.hear(
            "m/1", {"event": "moved", "version": "m/1", "state": "ready", "reason": "loaded"}
        )
    assert serve.asked.acquire(timeout=60)
    watching.stop(60)
    assert serve.hosts == [2, 1, 2]


def test_a_long_silence_of_serves_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "LONG_SILENCE", 2)
    serve = Serve({})
    watching = serve.watch()
    watching.start()
    for _ in range(3):
        assert serve.asked.acquire(timeout=60)
    watching.stop(60)
    assert serve.silences == ["no controller"]


def test_gateways_are_told_when_a_higher_version_has_loaded() -> None:
    running = fleet.Application("RUNNING", {"RUNNING": 1})
    serve = Serve({"host-m-1": running, "host-m-2": fleet.Application("DEPLOYING")})
    versions = [Version("m", n, Path(f"/m/m/{n}"), "python", ModelConfig()) for n in (1, 2)]
    watching = serve.watch(*versions)
    ready = {"event": "moved", "state": "ready", "reason": ""}
    watching.hear("m/1", {**ready, "version": "m/1"})
    watching.start()
    assert serve.asked.acquire(timeout=60)
    serve.applications = {"host-m-1": running, "host-m-2": running}
    watching.hear("m/2", {**ready, "version": "m/2"})
    assert serve.asked.acquire(timeout=60)
    watching.stop(60)
    told = [
        (table["policy"]["epoch"]["sequence"], table["policy"]["models"]["m"]["weights"])
        for table in serve.tables
    ]
    whole = [[{"version": version, "share": 10_000}] for version in (1, 2)]
    assert told == [(2, whole[0]), (3, whole[1])]


def test_a_watch_that_fails_again_and_again_ends_the_run_and_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, "LONG_SILENCE", 2)
    serve = Serve(RUNNING)
    serve.odd = [TypeError("of another version"), TypeError("of another version")]
    watching = serve.watch()
    watching.start()
    for _ in range(2):
        assert serve.asked.acquire(timeout=60)
    watching.stop(60)
    (why,) = serve.broken
    assert why.startswith("hosts cannot be followed any more:\nTraceback")
    assert why.endswith("TypeError: of another version")


def test_what_fails_once_in_an_unknown_way_is_tried_again() -> None:
    serve = Serve(RUNNING)
    serve.odd = [TimeoutError("busy")]
    watching = serve.watch()
    watching.start()
    for _ in range(2):
        assert serve.asked.acquire(timeout=60)
    watching.stop(60)
    assert serve.broken == []
    assert serve.published == [2]


@pytest.mark.parametrize(("rest_s", "looks"), [(60.0, 1), (0.0, 2)])
def test_what_comes_next_is_made_ready_when_nothing_has_been_under_way_for_a_while(
    monkeypatch: pytest.MonkeyPatch, rest_s: float, looks: int
) -> None:
    monkeypatch.setattr(watch, "REST_S", rest_s)
    serve = Serve(RUNNING)
    watching = serve.watch()
    watching.start()
    for _ in range(looks):
        assert serve.asked.acquire(timeout=60)
    assert serve.rested.wait(0.3 if looks == 1 else 60) is (looks == 2)
    assert not serve.asked.acquire(timeout=0.3), "nobody looks while nothing is under way"
    watching.stop(60)


def test_a_table_that_may_have_been_taken_is_followed_by_one_of_a_later_sequence() -> None:
    serve = Serve(RUNNING)
    serve.late = [LookupError("the answer was lost")]
    watching = serve.watch()
    watching.start()
    for _ in range(2):
        assert serve.asked.acquire(timeout=60)
    watching.stop(60)
    assert serve.published == [2, 3]


def test_a_host_loads_at_once_and_after_deaths_in_a_row_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []

    class Timer:
        daemon = False

        def __init__(self, pause_s: float, begin: Callable[..., None], args: Any) -> None:
            pauses.append(pause_s)
            self.start = lambda: begin(*args)

    monkeypatch.setattr(threading, "Timer", Timer)
    serve = Serve(RUNNING)
    watching = serve.watch(Version("m", 1, Path("/m/m/1"), "python", ModelConfig()))
    for pid in range(1, 6):
        watching.hear("m/1", {"event": "here", "pid": pid})
        watching.hear("m/1", {"event": "moved", "version": "m/1", "state": "ready", "reason": ""})
        watching.hear("m/1", {"event": "gone", "pid": pid})
    assert serve.begun == [("m/1", pid, set()) for pid in range(1, 6)]
    assert [round(pause) for pause in pauses] == [1, 2], "the first three begin at once"
    assert serve.accounts.records()["m/1"].count == 5


def test_why_a_host_died_is_known_from_its_words_or_from_the_kernel() -> None:
    serve = Serve(RUNNING)
    watching = serve.watch(Version("m", 1, Path("/m/m/1"), "python", ModelConfig()))

    def why(pid: int, words: str = "") -> str:
        watching.hear("m/1", {"event": "here", "pid": pid})
        watching.hear("m/1", {"event": "moved", "version": "m/1", "state": "ready", "reason": ""})
        if words:
            watching.hear("m/1", {"event": "words", "pid": pid, "why": words})
        serve.oom_kills += pid == 3
        watching.hear("m/1", {"event": "gone", "pid": pid})
        return serve.accounts.records()["m/1"].deaths[-1].why

    assert why(1) == deaths.SILENT
    assert why(2, "Segmentation fault") == "Segmentation fault"
    assert why(3) == deaths.NO_MEMORY
    assert why(4) == deaths.SILENT, "of another death the kernel's count says nothing"


def test_a_host_that_was_asked_to_go_or_said_why_it_failed_has_not_died() -> None:
    serve = Serve(RUNNING)
    watching = serve.watch(Version("m", 1, Path("/m/m/1"), "python", ModelConfig()))
    for state in ("draining", "failed"):
        watching.hear("m/1", {"event": "moved", "version": "m/1", "state": state, "reason": ""})
        watching.hear("m/1", {"event": "gone", "pid": 1})
    assert serve.accounts.records()["m/1"].count == 0
