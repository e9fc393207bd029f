"""Who waits until every gateway divides requests as is wanted."""

from pathlib import Path

import pytest
from tests.unit.asking import ask
from tests.unit.desk import Desk
from tests.unit.watched import RUNNING, Serve

from headrace.config.schema import ModelConfig
from headrace.console.deciding import CATCH_UP_S
from headrace.control.engine import Assignment
from headrace.execution.policy import Division
from headrace.repository.folder import Version
from headrace.serve import fleet


def test_what_is_wanted_is_reached_once_every_gateway_has_its_table() -> None:
    version = Version("m", 1, Path("/m/m/1"), "python", ModelConfig())
    serve = Serve({**RUNNING, "host-m-1": fleet.Application("RUNNING", {"RUNNING": 1})})
    watching = serve.watch(version)

    def applied(pid: int, sequence: int) -> None:
        told = {"event": "applied", "pid": pid, "term": 1, "sequence": sequence}
        watching.hear("gateway", told)

    for pid in (7, 8):
        watching.hear("gateway", {"event": "here", "pid": pid})
    watching.start()
    watching.want([Assignment(version)], {"m": Division({1: 10_000})})
    assert not watching.catch_up(0.3)
    newest = serve.published[-1]
    applied(7, newest)
    assert not watching.catch_up(0.3)
    applied(8, newest)
    assert watching.catch_up(60)
    watching.stop(60)


def test_who_asks_what_has_moved_is_answered_once_gateways_have_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited = list[float]()
    monkeypatch.setattr(desk.controller, "catch_up", waited.append)
    for said, waits in (("", []), ("&moved=0", []), ("&moved=1", [CATCH_UP_S])):
        answer = ask(desk.sources, "GET", f"/api/versions?model=m&loaded=1{said}")
        assert (answer.status, waited) == (200, waits)
