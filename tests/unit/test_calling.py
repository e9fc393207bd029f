"""Calls that models make: on whose behalf, for how long, and what is told of those that fail."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import headrace_core
import numpy as np
import pytest
from tests.unit.conftest import WriteModel

from headrace.errors import CalledEarly, CallFailed
from headrace.execution import calling, forking
from headrace.execution.opening import context
from headrace.models import Context
from headrace.models.behalf import NOBODYS, Behalf, Together, working_for
from headrace.repository.folder import Version, find

X = {"x": np.zeros((1, 2), np.float32)}


@pytest.fixture
def version(write_model: WriteModel) -> Version:
    (one,) = find(write_model("m"))
    return one


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What a gateway would get."""
    sent: list[Any] = []

    def begin(model: str, inputs: Any, how: Any) -> Any:
        sent.append((model, [name for name, _ in inputs], how))
        answer = (model, "3", how["id"], {"k": 1}, {"y": 2})
        return SimpleNamespace(next=lambda: answer, cancel=lambda: None)

    monkeypatch.setattr(calling, "_way", lambda at: SimpleNamespace(begin=begin))
    monkeypatch.setattr(calling, "_at", "@nowhere")
    token = working_for.set(None)
    yield sent
    working_for.reset(token)


def serving(version: Version) -> Context:
    made = calling.Calling(version)
    made.serves = True
    return context(version, made)


def work(behalf: Behalf) -> Any:
    return SimpleNamespace(behalf=behalf)


def test_nobody_is_called_before_the_version_serves(version: Version, sent: list[Any]) -> None:
    made = calling.Calling(version)
    with pytest.raises(CalledEarly, match="'back' cannot be called now"):
        context(version, made).call("back", X)
    assert made.was_early
    made.serves = True
    assert context(version, made).call("back", X) == {"y": 2}
    assert len(sent) == 1


def test_what_is_asked(version: Version, sent: list[Any]) -> None:
    serving(version).call("back", X, version=2, outputs=["y"], parameters={"a": True}, id="n")
    (model, inputs, how) = sent[0]
    assert (model, inputs) == ("back", ["x"])
    told = {name: how[name] for name in ("version", "outputs", "parameters", "id", "in_parts")}
    assert told == {
        "version": "2",
        "outputs": ["y"],
        "parameters": {"a": True},
        "id": "n",
        "in_parts": False,
    }


#: Half of the 300 s that a batch may take.
LIMIT_S = 150.0


@pytest.mark.parametrize(
    ("behalf", "asked_s", "timeout_s", "callers"),
    [
        (None, None, LIMIT_S, "m/1"),
        (NOBODYS, 900.0, 900.0, "m/1"),
        ((5.0, ["front/2"]), None, 5.0, "front/2 m/1"),
        ((5.0, ["front/2", "m/1"]), 2.0, 2.0, "front/2 m/1"),
        ((900.0, []), None, LIMIT_S, "m/1"),
    ],
)
def test_a_call_is_made_for_who_waits(
    version: Version,
    sent: list[Any],
    behalf: Behalf | None,
    asked_s: float | None,
    timeout_s: float,
    callers: str,
) -> None:
    working_for.set(None if behalf is None else work(behalf))
    serving(version).call("back", X, timeout_s=asked_s)
    how = sent[0][2]
    assert (how["timeout_s"], how["callers"]) == (timeout_s, callers)


def test_a_batch_that_was_given_up_calls_for_nobody(version: Version, sent: list[Any]) -> None:
    class Settled:
        @property
        def behalf(self) -> Behalf:
            raise ValueError("the batch is settled")

    working_for.set(Settled())
    with pytest.raises(CallFailed, match=r"nobody waits .* the batch is settled") as failed:
        serving(version).call("back", X)
    assert failed.value.code == "cancelled"
    assert sent == []


def test_what_a_model_forks_calls_nobody(
    version: Version, sent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forking, "child", True)
    with pytest.raises(CallFailed, match="has forked calls no other model"):
        serving(version).call("back", X)
    assert sent == []


@pytest.mark.parametrize(
    ("each", "behalf"),
    [
        ([], (None, [])),
        ([(1.0, ["b/1"]), (3.0, ["a/1", "b/1"])], (3.0, ["a/1", "b/1"])),
        ([(1.0, []), (None, ["a/1"])], (None, ["a/1"])),
    ],
)
def test_requests_at_work_together(each: list[Behalf], behalf: Behalf) -> None:
    assert Together([work(one) for one in each]).behalf == behalf


@pytest.fixture
def lonely(version: Version, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Context:
    """A version whose gateway is not there."""
    monkeypatch.setattr(calling, "_at", str(tmp_path / "nobody"))
    monkeypatch.setattr(calling, "_way", headrace_core.Calls)
    return serving(version)


def test_a_gateway_that_is_away_is_waited_for_as_long_as_the_call_may_take(lonely: Context) -> None:
    with pytest.raises(CallFailed) as failed:
        lonely.call("back", X, timeout_s=0.05)
    # As its last look at it fails, or before that.
    assert failed.value.code in ("unavailable", "expired")


@pytest.mark.parametrize(
    ("inputs", "parameters", "said"),
    [
        ({"x": 3}, {}, "input 'x' should be an array, not an object of type int"),
        ({"x": np.zeros(1, np.complex64)}, {}, "input 'x' should be an array"),
        (X, {"a": []}, "parameter 'a' should be a bool, int, float or str, not list"),
    ],
)
def test_what_cannot_be_sent(lonely: Context, inputs: Any, parameters: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        lonely.call("back", inputs, parameters=parameters, timeout_s=0.05)


def test_a_version_counts(version: Version) -> None:
    told = serving(version)
    hits, depth = told.counter("hits", "Hits", kind="a"), told.gauge("depth", "Depth")
    hits.add(2)
    depth.set(5)
    depth.add(-1)
    assert (hits.value, depth.value) == (2, 4)
    assert told.counter("hits", "Hits", kind="a").value == 2
    assert told.counter("hits", "Hits", kind="b").value == 0
    for wrong in ("nv_hits", "headrace_hits", "9"):
        with pytest.raises(ValueError, match=wrong):
            told.counter(wrong, "Hits")
    with pytest.raises(ValueError, match="only grows"):
        hits.add(-1)
    with pytest.raises(ValueError, match="is a counter"):
        hits.set(1)
