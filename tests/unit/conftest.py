"""Unit tests see no network, and no Ray."""

import io
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from tests.unit.desk import Desk
from tests.unit.rolling import Play

from headrace.console.logbook import Logbook

WORKING = """
from headrace import Batch, Context, Model, Tensor

class Doubler(Model):
    inputs = [Tensor("x", "FP32", [4])]
    outputs = [Tensor("y", "FP32", [4])]

    def load(self, context: Context) -> None: ...

    def predict(self, batch: Batch):
        return {"y": batch["x"] * 2}
"""

WriteModel = Callable[..., Path]


@pytest.fixture(autouse=True)
def no_hidden_world(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        raise AssertionError("a unit test opened a socket or started Ray")

    monkeypatch.setattr(socket.socket, "__init__", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    if "ray" in sys.modules:
        monkeypatch.setattr(sys.modules["ray"], "init", refuse)


@pytest.fixture
def write_model(tmp_path: Path) -> WriteModel:
    """Writes a model below ``tmp_path / "models"`` and returns that folder."""

    def write(
        name: str = "doubler", *, source: str = WORKING, yaml: str = "", version: str = "1"
    ) -> Path:
        folder = tmp_path / "models" / name / version
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.py").write_text(source)
        if yaml:
            (folder.parent / "model.yaml").write_text(yaml)
        return tmp_path / "models"

    return write


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A controller of one model with one version, which nothing has loaded yet."""
    (tmp_path / "desk").mkdir()
    book = Logbook(tmp_path / "desk" / "logs", None)
    desk = Desk(tmp_path / "desk", book, m=[1])
    yield desk
    desk.close()
    book.close()


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    """A server with two versions of a model, ready for a rollout."""
    logbook = Logbook(tmp_path / "logs", io.StringIO())
    desk = Desk(tmp_path, logbook, m=[1, 2])
    yield Play(desk)
    desk.close()
    logbook.close()
