"""Drift, or a version that went back, has another one trained, which is tried: as docs/hooks.md."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.hooks.receiver import SECRET, Receiver, documented, receiving
from tests.local.callers import until
from tests.local.conftest import LocalServer, ready, write_model

from headrace.config.hooks import SECRET as VARIABLE

YAML = """
drift: {inputs: [x], reference_rows: 100, window_rows: 50, sample_per_second: 1000}
versions: {on_new: rollout}
rollouts: {default: {judge: {errors: {}}, steps_percent: [50, 100], minimum: {minutes: 60}}}
"""
DOCUMENTED = documented()
why_to_train: Callable[[Any], str | None] = DOCUMENTED["why_to_train"]
publish: Callable[[Path, Path], int] = DOCUMENTED["publish"]
load: Callable[[str, str, str, int], None] = DOCUMENTED["load"]


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, SECRET)
    write_model(tmp_path / "models", "one", 'return {"y": batch["x"]}', YAML)
    return tmp_path / "models"


def came(receiver: Receiver, count: int) -> Any:
    """Return the newest event, once so many have come."""
    return receiver.wait(count)[-1][1]


def drifts(server: LocalServer, receiver: Receiver) -> None:
    """Send what is alike, and then other numbers until a hook hears of it."""
    dice = random.Random(1)

    def send(middle: float) -> None:
        for _ in range(50):
            status, _ = server.post("one", [[dice.gauss(middle, 1.0) for _ in range(4)]])
            assert status == 200

    def has_reference() -> bool:
        send(0.0)
        versions = server.get(f"{server.console}/api/drift/one")[1]["versions"]
        return any(one["reference_rows"] >= 100 for one in versions)

    def is_told() -> bool:
        send(5.0)
        return bool(receiver.events)

    until(has_reference)
    until(is_told)


def candidate(event: Any) -> tuple[str, int]:
    return event["type"], event["data"]["candidate"]["version"]


def test_what_is_trained_for_drift_and_for_what_went_back_is_tried(
    models: Path, tmp_path: Path
) -> None:
    started = "dev.headrace.rollout.started"
    with (
        receiving() as receiver,
        ready(models, tmp_path / "state", "--watch", "--hook", receiver.url) as server,
    ):
        drifts(server, receiver)
        drifted = came(receiver, 1)
        why = why_to_train(drifted)
        assert why is not None
        assert why.startswith("drift: input x ")
        assert publish(models / "one" / "1", models / "one") == 2
        begun = came(receiver, 2)
        assert (candidate(begun), why_to_train(begun)) == ((started, 2), None)
        server.command("rollout", "rollback", "1", "--why", "it is no better")
        why = why_to_train(came(receiver, 3))
        assert why is not None
        assert "it is no better" in why
        assert publish(models / "one" / "1", models / "one") == 3
        assert candidate(came(receiver, 4)) == (started, 3)


def test_whoever_is_not_watched_is_asked_to_load_it(models: Path, tmp_path: Path) -> None:
    with (
        receiving() as receiver,
        ready(models, tmp_path / "state", "--hook", receiver.url) as server,
    ):
        number = publish(models / "one" / "1", models / "one")
        load(server.console, "", "one", number)
        assert candidate(came(receiver, 1)) == ("dev.headrace.rollout.started", 2)
        assert "retraining" in server.command("journal", "one")
