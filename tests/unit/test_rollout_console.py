"""Rollouts over the console's REST API, and as a person reads them."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.unit.asking import ask
from tests.unit.counting import CountingGateway
from tests.unit.desk import Desk

from headrace.cli.steering import report_lines, rollout_lines, rollout_rows
from headrace.console.logbook import Logbook
from headrace.control.plans import DEFAULT_PLAN
from headrace.feedback.prediction import Prediction, Top, written
from headrace.models.lifecycle import Standing, State
from headrace.repository.instances import control_of

PLAN = {"judge": {"errors": {}}, "steps_percent": [5, 100], "minimum": {"units": 50}}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    logbook = Logbook(tmp_path / "logs", io.StringIO())
    desk = Desk(tmp_path, logbook, m=[1, 2])
    desk.stand(m={1: State.READY, 2: State.LOADING})
    desk.controller.obey(orders_to(1), who="me", why="")
    desk.stand(m={2: State.READY})
    yield desk
    desk.close()
    logbook.close()


def orders_to(version: int) -> Any:
    from headrace.control import orders
    from headrace.execution.policy import WHOLE

    return orders.split("m", {version: WHOLE})


def say(desk: Desk, word: str, client: str | None = "me", **query: Any) -> tuple[int, Any]:
    target = f"/api/rollout/{word}?{urlencode(query)}"
    answer = ask(desk.sources, "POST", target, client=client)
    return answer.status, answer.body


def look(desk: Desk, bad: float) -> Any:
    gateway = CountingGateway()
    gateway.follow({1: (), 2: ()})
    gateway.count(1, 1000, bad=10, ms=20)
    gateway.count(2, 100, bad=bad, ms=40)
    desk.gateways = [gateway.told()]
    desk.rollouts.look()
    return ask(desk.sources, "GET", "/api/rollouts/1").body


def test_a_rollout_begins_is_shown_and_ends(desk: Desk) -> None:
    status, begun = say(desk, "start", model="m", version=2, plan=json.dumps(PLAN), why="better")
    assert (status, begun["percent"], begun["who"]) == (200, 5.0, "me")
    assert begun["plan"]["judge"]["errors"] == {"max_increase_points": 0.5}
    shown = look(desk, bad=3)
    errors, *guards = shown["metrics"]
    assert [one["name"] for one in guards] == ["unserved", "refused"]
    assert errors["candidate"] == {"units": 100, "bad_percent": 3.0, "mean": None}
    assert errors["control"] == {"units": 1000, "bad_percent": 1.0, "mean": None}
    assert shown["harm_odds"] == max(1.0, errors["harm_odds"])
    assert errors["difference_points"][0] < 2 < errors["difference_points"][1]
    assert shown["latency_ms"]["candidate"]["p50"] == pytest.approx(40, rel=0.07)
    everything = ask(desk.sources, "GET", "/api/rollouts?model=m").body
    assert everything == {"rollouts": [shown]}
    assert ask(desk.sources, "GET", "/api/rollouts?model=x").body == {"rollouts": []}
    (brief,) = ask(desk.sources, "GET", "/api/rollouts?said=1").body["rollouts"]
    assert brief == {**shown, "said": shown["said"][-1:]}
    status, ended = say(desk, "rollback", number=1, why="not now")
    assert (status, ended["end"], ended["said"][-1]["why"]) == (
        200,
        "rolled back",
        "by me: not now",
    )


@pytest.mark.parametrize(
    ("word", "query", "status", "says"),
    [
        ("start", {"version": 2}, 400, "say which model"),
        ("start", {"model": "m"}, 400, "say which version"),
        (
            "start",
            {"model": "m", "version": 2, "plan": "{"},
            400,
            "this is no plan: Invalid JSON",
        ),
        ("start", {"model": "m", "version": 2, "plan": '{"judge": {}}'}, 400, "something to judge"),
        ("start", {"model": "m", "version": 2, "plan": "x"}, 409, "no plan 'x'; there is none"),
        ("start", {"model": "m", "version": 1}, 409, "version 1 has all the traffic already"),
        ("start", {"model": "m", "version": 2, "baseline": 2}, 409, "where version 2 has all"),
        ("approve", {"number": 5}, 409, "there is no rollout 5"),
        ("stop", {"number": 5}, 409, "there is no rollout 5"),
        (
            "start",
            {"model": "m", "version": 2, "dry_run": 1},
            400,
            "unknown: 'dry_run'; /api/rollou",
        ),
        (
            "start",
            {
                "model": "m",
                "version": 2,
                "plan": '{"judge": {"p50": {}}, "steps_percent": [1, "a"]}',
            },
            400,
            "steps_percent[1]: expected a number, not 'a'",
        ),
        (
            "start",
            {
                "model": "m",
                "version": 2,
                "plan": '{"judge": {"p50": {}}, "steps_percent": [0.001]}',
            },
            400,
            "steps_percent[0]: input should be greater than or equal to 0.01, not 0.001",
        ),
        ("hasten", {"number": 5}, 404, "no /api/rollout/hasten; there is start, approve, release"),
    ],
)
def test_what_cannot_be_done_is_said(
    desk: Desk, word: str, query: dict[str, Any], status: int, says: str
) -> None:
    found, told = say(desk, word, **query)
    assert (found, says in told["error"]) == (status, True), told


def test_a_body_is_refused_where_none_is_read(desk: Desk) -> None:
    target = "/api/rollout/start?model=m&version=2"
    told = ask(desk.sources, "POST", target, client="me", body=json.dumps(PLAN).encode())
    assert (told.status, told.body["error"]) == (
        400,
        "/api/rollout/start reads no body: say all of it in the address; it takes model, version, "
        "baseline, plan, why",
    )
    parts: dict[str, Any] = {"client": "me", "transfer-encoding": "chunked"}
    assert ask(desk.sources, "POST", target, **parts).status == 400
    assert ask(desk.sources, "GET", "/api/rollouts", body=b"{}").status == 400
    assert ask(desk.sources, "GET", "/api/rollouts/1").status == 404
    length: dict[str, Any] = {"client": "me", "content-length": "0"}
    assert ask(desk.sources, "POST", target, **length).status == 200


def test_a_rollouts_number_is_one(desk: Desk) -> None:
    told = ask(desk.sources, "GET", "/api/rollouts/x")
    assert (told.status, told.body["error"]) == (
        400,
        "number expected that of a rollout, not 'x': GET /api/rollouts has them",
    )


def test_one_that_was_stopped_has_no_share(desk: Desk) -> None:
    say(desk, "start", model="m", version=2, plan=json.dumps(PLAN), why="a\nb\u2028 c")
    unloaded = ask(desk.sources, "POST", "/api/unload?model=m&version=2", client="me")
    assert "which rollout 1 divides: `headrace rollout stop 1`" in unloaded.body["error"]
    _, stopped = say(desk, "stop", number=1)
    assert (stopped["percent"], stopped["why"]) == (None, "a b c")
    assert list(rollout_lines(stopped))[1].startswith("traffic is as it was left; steps were 5 100")


def test_who_does_not_say_so_changes_nothing(desk: Desk) -> None:
    assert say(desk, "start", client=None, model="m", version=2)[0] == 403
    assert ask(desk.sources, "GET", "/api/rollouts/1").status == 404


def test_a_plan_is_read_when_it_is_needed(desk: Desk, tmp_path: Path) -> None:
    home = tmp_path / "models" / "m"
    home.mkdir(parents=True)
    desk.home = home
    desk.begin()
    desk.stand(m={1: State.READY, 2: State.READY})
    desk.controller.obey(orders_to(1), who="me", why="")
    (home / "model.yaml").write_text(
        "rollouts:\n  default: {judge: {errors: {}}, steps_percent: [7, 100]}\n"
        "  bold: {judge: {errors: {}}, steps_percent: [50, 100]}\n"
    )
    assert say(desk, "start", model="m", version=2)[1]["percent"] == 7
    say(desk, "rollback", number=1)
    say(desk, "release", model="m", version=2)
    assert say(desk, "start", model="m", version=2, plan="bold")[1]["percent"] == 50
    say(desk, "rollback", number=2)
    say(desk, "release", model="m", version=2)
    (last,) = ask(desk.sources, "GET", "/api/rollouts?ended=1").body["rollouts"]
    assert last["number"] == 2
    assert (
        "there is bold, default" in say(desk, "start", model="m", version=2, plan="x")[1]["error"]
    )
    (home / "model.yaml").unlink()
    begun = say(desk, "start", model="m", version=2)[1]
    assert begun["plan"] == DEFAULT_PLAN.model_dump(mode="json")
    assert begun["percent"] == 0, "the baseline's latency is not known yet"


def test_a_person_reads_where_it_was_reported(desk: Desk) -> None:
    rollout = {"number": 1, "candidate": 2, "baseline": 1}
    mine = {"model": "m", "places": {"2 in 1-1000": "run of m"}, "pending": 0, "last_error": ""}
    other = mine | {"places": {"2 in 11-1000": "run of another"}}
    waits = mine | {"pending": 3, "last_error": "nobody answers"}
    assert list(report_lines(rollout, [other])) == []
    assert list(report_lines(rollout, [other, mine])) == ["reported: run of m"]
    assert list(report_lines(rollout, [waits]))[1] == "3 reports of m wait: nobody answers"
    denied = {"2 in 1-1000": {"runs": "no"}, "1 in 1-1000": {"tags": "nor", "runs": "no"}}
    assert list(report_lines(rollout, [mine | {"places": {}, "denied": denied}])) == [
        "not reported: no",
        "not reported: nor",
    ]
    assert list(report_lines(rollout | {"number": 2}, [mine | {"denied": denied}])) == []
    assert ask(desk.sources, "GET", "/api/reports").body == {"reports": []}


def test_a_person_reads_what_is_known(desk: Desk) -> None:
    say(desk, "start", model="m", version=2, plan=json.dumps(PLAN), why="better")
    shown = look(desk, bad=3)
    text = "\n".join(rollout_lines(shown))
    assert "rollout 1 of m: version 2 against 1, step 1" in text
    assert "5 % of steps [5] 100  by me: better" in text
    assert "3 % bad of 100" in text
    assert "1 % bad of 1000" in text
    assert "of 20" in text
    assert "candidate 2: p50 " in text
    assert "weigh as one" not in text, "nothing swings"
    assert shown["metrics"][0]["design_effect"] is None, "errors are no latencies"
    p99 = {**shown["metrics"][0], "name": "p99", "design_effect": 30.4}
    swings = "\n".join(rollout_lines({**shown, "metrics": [p99]}))
    assert "p99: about 30 weigh as one" in swings
    waits = [
        {"unix_ms": 0, "what": "hold", "why": "too few units", "lasts": True},
        {"unix_ms": 0, "what": "wait_for_approval", "why": "a person", "lasts": True},
    ]
    held, asks, what = list(rollout_lines({**shown, "said": waits, "may_approve": True}))[-3:]
    assert held.endswith("00 hold: too few units")
    assert not held.startswith("since")
    assert (asks[:6], what) == ("since ", "`headrace rollout approve 1` lets it go on")
    say(desk, "promote", number=1)
    shown = ask(desk.sources, "GET", "/api/rollouts/1").body
    assert "[##############################] 100 % of steps 5 100" in "\n".join(
        rollout_lines(shown)
    )
    rows = list(rollout_rows([shown]))
    assert rows[1].split()[:5] == ["1", "m", "1", "->", "2"]
    assert "promoted" in rows[1]


def test_what_no_database_takes_is_shown_as_an_escape(desk: Desk) -> None:
    say(desk, "start", model="m", version=2, plan=json.dumps(PLAN))
    status, _ = say(desk, "promote", number=1, why="ok\x00now\x1b[2J\n and then")
    assert status == 200
    (verdict,) = (one.verdict for one in desk.registry_hears.reports if one.verdict is not None)
    assert verdict.sentence.endswith("by me: ok\\x00now\\x1b[2J and then")
    assert desk.rollouts.one(1).is_told
    # And so is what a control raised that cannot be loaded.
    say(desk, "rollback", number=1)
    say(desk, "release", model="m", version=2)
    say(desk, "start", model="m", version=2, plan=json.dumps(PLAN | {"control": "own"}))
    desk.stood[f"m/{control_of(1)}"] = Standing(State.FAILED, "it raised KeyError: \x00")
    desk.rollouts.look()
    said = desk.rollouts.one(2).said[-1]
    assert said.why.endswith("cannot be loaded: it raised KeyError: \\x00"), said


def test_a_prediction_of_a_control_is_of_the_version_that_stands_twice(desk: Desk) -> None:
    key = desk.controller.store.labels.key
    made = written(Prediction("m", control_of(1), 1000, 72, 5, (Top(3, 0.5),)), key)
    assert ask(desk.sources, "GET", f"/api/predictions/{made}").body["version"] == 1
