"""Addresses that give no answer: a start waits for each of them once."""

from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from headrace.config.source import StoreAddress
from headrace.errors import SourceAway, SourceInvalid
from headrace.registry import silence, source, stored
from headrace.registry.facts import Facts, Place
from headrace.registry.silence import LONG_S, REST_S, Silence
from headrace.registry.stored import Stored
from headrace.repository.folder import find_model, look
from headrace.repository.sourced import Reach

HERE = "http://here"
MEANT = Facts(
    Place(HERE, HERE), "a", 1, "champion", None, f"{HERE}/a", ["onnx"], None, {}, "a" * 64
)


class Hanging:
    """What is asked, and what time it is."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked: list[str] = []

    def ask(self, silence: Silence, address: str, takes: float, error: Exception) -> None:
        with silence.heard(address, print):
            self.now += takes
            raise error


@pytest.mark.parametrize(
    ("takes", "error", "rests"),
    [
        (LONG_S, SourceAway("no answer"), True),
        # It is there, and says so.
        (1.0, SourceAway("500"), False),
        (LONG_S, SourceInvalid("no such alias"), False),
    ],
)
def test_who_lets_one_wait_in_vain_is_not_asked_again_for_a_while(
    takes: float, error: Exception, rests: bool
) -> None:
    world = Hanging()
    silence = Silence(lambda: world.now)
    with pytest.raises(type(error)):
        world.ask(silence, HERE, takes, error)
    silence.check("http://there")
    world.now += REST_S / 2
    if rests:
        with pytest.raises(SourceAway, match="http://here gave no answer 30 s ago"):
            silence.check(HERE)
    else:
        silence.check(HERE)
    world.now += REST_S / 2
    silence.check(HERE)


def test_a_start_waits_once_for_a_registry_of_many_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        uri = "http://there" if name == "c" else "http://me:password@here"
        yaml = f"source: models:/{name}@champion\nmlflow: {{registry: '{uri}'}}\n"
        (tmp_path / name / "model.yaml").write_text(yaml)
    world, said = Hanging(), list[str]()

    def resolve(address: object, **_: object) -> None:
        world.asked.append(str(address))
        world.now += LONG_S
        raise SourceAway("no answer")

    monkeypatch.setattr(source, "resolve", resolve)
    reach = Reach(tmp_path / "state", said.append, silence=Silence(lambda: world.now))
    found = look(tmp_path, reach)
    assert world.asked == ["models:/a@champion", "models:/c@champion"]
    assert sorted(found.away) == ["a", "b", "c"]
    assert "http://…@here gave no answer 0 s ago" in found.away["b"]
    # An operator who asks is not answered with what was so a moment ago.
    asks_anew = replace(reach, may_recall=False)
    with pytest.raises(SourceInvalid, match="no answer"):
        find_model(tmp_path, "b", set(), asks_anew)
    assert world.asked[2:] == ["models:/b@champion"]


@pytest.mark.parametrize(
    ("place", "address", "told"),
    [
        (source, "models:/a@champion", MEANT),
        (stored, "s3://bucket/a", Stored(StoreAddress("s3://bucket/a"), 1, "a" * 64)),
    ],
)
def test_a_download_that_breaks_after_long_is_no_silence(
    place: Any, address: str, told: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "model.yaml").write_text(f"source: {address}\n")
    world = Hanging()

    def fetch(*_: object, **__: object) -> None:
        world.asked.append("fetch")
        world.now += LONG_S
        raise SourceAway("it broke")

    monkeypatch.setattr(place, "resolve", lambda *_, **__: told)
    monkeypatch.setattr(place, "fetch", fetch)
    reach = Reach(tmp_path / "state", print, silence=Silence(lambda: world.now))
    for _ in range(2):
        assert "it broke" in look(tmp_path, reach).away["a"]
    assert world.asked == ["fetch", "fetch"]


def test_who_waits_is_told_what_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silence, "TOLD_S", 0.0)
    said, told = list[str](), Event()

    def say(text: str) -> None:
        said.append(text)
        told.set()

    with Silence().heard(HERE, say):
        assert told.wait(10)
    assert said == ["waits for an answer of http://here"]
