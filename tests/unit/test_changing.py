"""A model.yaml that changes while its versions serve: what may, and who is told."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.asking import ask
from tests.unit.desk import Desk

from headrace.cli.applying import applied_lines
from headrace.config.batching import Batching
from headrace.config.changes import LIVE, changes
from headrace.config.schema import ModelConfig
from headrace.console.operations import Applied, as_json
from headrace.errors import ConfigInvalid, HeadraceError, NotLive, RepositoryInvalid
from headrace.execution.runner import Runner
from headrace.execution.voices import Line
from headrace.models.lifecycle import Standing
from headrace.repository.changed import Changed, changed
from headrace.repository.folder import find
from headrace.serve.changing import Changing
from headrace.serve.crew import Crew

WriteModel = Callable[..., Path]


@pytest.mark.parametrize(
    ("before", "after", "told", "live"),
    [
        ({}, {}, [], True),
        (
            {"batching": {"max_rows": 8, "allowed_rows": [1, 8]}},
            {"batching": {"max_rows": 16, "allowed_rows": [1, 16], "deadline_ms": 0.5}},
            [
                "batching.max_rows 8 -> 16",
                "batching.allowed_rows [1, 8] -> [1, 16]",
                "batching.deadline_ms none -> 0.5",
            ],
            True,
        ),
        (
            {"batching": {"max_cost": 5}},
            {"batching": {"max_cost": 5, "cost": ["rows", {"elements": "x"}]}},
            ["batching.cost [] -> [{rows: true}, {elements: x}]"],
            True,
        ),
        ({}, {"batching": {"join": {"x": "ragged"}}}, None, False),
        ({}, {"placement": {"lanes": 2}}, ["placement.lanes none -> 2"], False),
        ({}, {"limits": {"hang_timeout_s": 9}}, ["limits.hang_timeout_s 300 -> 9"], False),
        ({}, {"repeatable": True}, ["repeatable none -> true"], False),
        ({}, {"parameters": {"a": 1}}, ["parameters {} -> {a: 1}"], False),
    ],
)
def test_what_differs_is_named_as_it_is_written(
    before: Any, after: Any, told: list[str] | None, live: bool
) -> None:
    found = changes(ModelConfig.model_validate(before), ModelConfig.model_validate(after))
    assert told is None or [str(one) for one in found] == told
    assert all(one.is_live for one in found) == live


def test_every_limit_of_batches_may_change_but_those_that_shape_arrays() -> None:
    fields = {f"batching.{name}" for name in Batching.model_fields}
    assert fields - LIVE == {"batching.join", "batching.like", "batching.unbatched"}


def rewrite(models: Path, text: str, name: str = "doubler") -> None:
    (models / name / "model.yaml").write_text(text)


def test_only_what_has_changed_is_found_and_all_or_nothing(write_model: WriteModel) -> None:
    models = write_model(yaml="batching: {max_rows: 4}")
    write_model("other")
    versions = find(models)
    assert changed(versions, "") == []
    rewrite(models, "batching: {max_rows: 2}")
    (one,) = changed(versions, "")
    assert (one.version.label, one.version.config.batching.max_rows) == ("doubler/1", 2)
    assert changed(versions, "other") == []
    rewrite(models, "batching: {max_rows: 2}\nplacement: {lanes: 3}")
    with pytest.raises(
        NotLive, match=r"only when it is loaded(.|\n)*doubler/1: placement.lanes none -> 3"
    ):
        changed(versions, "")
    rewrite(models, "batching: {max_rows: two}")
    with pytest.raises(ConfigInvalid, match=r"model.yaml:1:12: max_rows: expected a whole number"):
        changed(versions, "doubler")
    with pytest.raises(RepositoryInvalid, match="no model 'nobody' is served here"):
        changed(versions, "nobody")


INPUTS = {
    "event": "inputs",
    "version": "doubler/1",
    "inputs": [("x", "FP32", [2])],
    "digest": "",
}


class Hosts:
    """Hosts of a run that answer at once, some of which do not like what they hear."""

    def __init__(self, models: Path, hosts: int = 2, error: str = "") -> None:
        self.said: list[tuple[str, str]] = []
        self.hosts, self.error = hosts, error
        self.changing = Changing(Crew(find(models), cpus=2), self.send)
        self.changing.hear("doubler/1", INPUTS)

    def send(self, label: str, word: str, pid: int | None) -> int:
        self.said.append((label, word))
        for _ in range(self.hosts):
            if word.startswith("change"):
                _, number, version, _ = word.split(" ", 3)
                told = {"event": "changed", "number": int(number), "error": self.error}
                self.changing.hear(version, told)
        return self.hosts

    def begun(self) -> tuple[str, dict[str, Any]]:
        """Who was let begin last, with which versions and their batching."""
        label, word = self.said[-1]
        told = json.loads(word.removeprefix("begin "))
        return label, {
            f"{one['model']}/{one['number']}": one["config"].get("batching", {}) for one in told
        }

    def last(self) -> Any:
        return json.loads(self.said[-1][1].split(" ", 3)[-1])


def test_every_host_is_told_and_one_that_begins_later_too(
    write_model: WriteModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = write_model(yaml="batching: {max_rows: 4}")
    run = Hosts(models)
    rewrite(models, "batching: {max_rows: 2}")
    assert run.changing.apply("") == [Applied("doubler/1", ["batching.max_rows 4 -> 2"], 2, 2)]
    assert run.said == [("doubler/1", 'change 1 doubler/1 {"max_rows": 2}')]
    run.changing.begin("doubler/1", 7)
    assert run.begun() == ("doubler/1", {"doubler/1": {"max_rows": 2}})
    assert run.changing.apply("") == [], "it is as it was read last"


def test_hosts_that_versions_share_are_told_of_each_and_begin_without_those_left_out(
    write_model: WriteModel,
) -> None:
    models = write_model(yaml="batching: {max_rows: 4}\nplacement: {isolation: shared}")
    write_model("other", yaml="placement: {isolation: shared}")
    run = Hosts(models)
    rewrite(models, "batching: {max_rows: 2}\nplacement: {isolation: shared}")
    assert [one.version for one in run.changing.apply("doubler")] == ["doubler/1"]
    assert run.said == [("shared", 'change 1 doubler/1 {"max_rows": 2}')]
    run.changing.begin("shared", 7)
    assert run.begun() == ("shared", {"doubler/1": {"max_rows": 2}, "other/1": {}})
    run.changing.begin("shared", 8, {"doubler/1"})
    assert run.begun() == ("shared", {"other/1": {}})


def test_what_a_host_does_not_take_is_taken_back_everywhere(write_model: WriteModel) -> None:
    models = write_model(yaml="batching: {max_rows: 4}")
    run = Hosts(models, error="batching.cost names the input 'n'")
    rewrite(models, "batching: {max_rows: 2}")
    with pytest.raises(HeadraceError, match=r"nothing was changed: batching\.cost names"):
        run.changing.apply("")
    assert run.last() == {"max_rows": 4}
    run.error = ""
    assert run.changing.apply("")[0].changes == ["batching.max_rows 4 -> 2"]


def test_a_host_that_says_nothing_is_not_counted(
    write_model: WriteModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headrace.serve.changing.ANSWER_S", 0.0)
    models = write_model()
    silent = Changing(Crew(find(models), cpus=2), lambda label, word, pid: 3)
    rewrite(models, "batching: {max_rows: 3}")
    with pytest.raises(NotLive, match="has not been loaded yet"):
        silent.apply("")
    silent.hear("doubler/1", INPUTS)
    rewrite(models, "batching: {max_rows: 2, max_cost: 9, cost: [{elements: nobody}]}")
    with pytest.raises(HeadraceError, match=r"nothing was changed: doubler/1: .*'nobody'"):
        silent.apply("")
    rewrite(models, "batching: {max_rows: 2}")
    (one,) = silent.apply("doubler")
    assert one.hosts == 0
    (line,) = applied_lines({**as_json([one]), "loading": []})
    assert line == (
        "doubler/1: batching.max_rows 64 -> 2 "
        "(3 hosts, of which 3 will as soon as what keeps it is over)"
    )


class Operator:
    """Has changed one version, or could not."""

    def __init__(self, error: HeadraceError | None = None) -> None:
        self.error = error

    def apply(self, model: str) -> list[Applied]:
        if self.error:
            raise self.error
        return [Applied(f"{model}/1", ["batching.max_rows 4 -> 2"], 1, 1)]

    def compare(self, model: str) -> list[Changed]:
        return []


@pytest.mark.parametrize(
    ("method", "by_program", "error", "code", "part"),
    [
        ("POST", True, None, 200, '"m/1"'),
        ("POST", True, NotLive("a restart"), 409, "a restart"),
        ("POST", True, RepositoryInvalid("no model"), 404, "no model"),
        ("POST", False, None, 403, "Headrace-Client"),
        ("GET", True, None, 405, "send POST"),
    ],
)
def test_the_console_lets_programs_change_and_no_web_page(
    method: str,
    by_program: bool,
    error: HeadraceError | None,
    code: int,
    part: str,
    desk: Desk,
) -> None:
    target, client = "/api/apply?model=m", "me@here" if by_program else None
    answer = ask(replace(desk.sources, operations=Operator(error)), method, target, client=client)
    assert answer.status == code
    assert part in json.dumps(answer.body)


class OpenHost:
    """A host whose one version has no calls until it is let go."""

    def __init__(self) -> None:
        self.updates: list[Any] = []

    def open(self, contract: str, **conduct: Any) -> Any:
        return self

    def next_batch(self, lane: int) -> None: ...

    def update(self, batching: str) -> None:
        self.updates.append(json.loads(batching))

    def close(self, model: str, version: int) -> None: ...

    def next_hang(self) -> str | None: ...


def test_a_runner_batches_as_it_is_told_and_checks_it_first(write_model: WriteModel) -> None:
    models = write_model(yaml="batching: {max_rows: 4}")
    (version,) = find(models)
    moves: list[Standing] = []
    lines: list[Line] = []
    host = OpenHost()
    runner = Runner(version, host, lines.append, moves.append, threads=1)
    with pytest.raises(NotLive, match="doubler/1 is declared: apply once it serves"):
        runner.change(version)
    runner.start()
    rewrite(models, "batching: {max_rows: 2, max_cost: 3}")
    (now,) = find(models)
    runner.change(now)
    assert (host.updates[-1]["max_rows"], host.updates[-1]["max_cost"]) == (2, 3)
    rewrite(models, "batching: {max_rows: 2, max_cost: 3, cost: [{elements: nobody}]}")
    with pytest.raises(HeadraceError, match="names the input 'nobody'"):
        runner.change(find(models)[0])
    assert runner.version == now
    rewrite(models, "batching: {max_rows: 2, max_cost: 3, join: {x: {pad: {value: 0}}}}")
    with pytest.raises(HeadraceError, match=r"batching\.join of input 'x'"):
        runner.change(find(models)[0])
    shutil.rmtree(models / "doubler" / "1")
    with pytest.raises(RepositoryInvalid, match="is gone, from which doubler/1 is served"):
        changed([now], "")
    runner.stop(10)
