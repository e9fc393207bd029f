"""Versions that gateways carry themselves, on both sides of the table that says so."""

import json
import queue
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.watched import RUNNING, Serve

from headrace.config.schema import ModelConfig
from headrace.execution.policy import AWAITED as DECLARED
from headrace.execution.unhosted import Carriage
from headrace.models.lifecycle import Standing, State
from headrace.repository.folder import Version
from headrace.serve.carried import Carried
from headrace.serve.crew import Crew
from headrace.serve.unhosted import AWAITED, SETTLED, awaited_of

ONE = Carriage("m/1", "upstream", {"url": "grpc://triton:8001"}, "d")
UP = {"state": "up", "platform": "p", "unbatched": False, "inputs": []}


def test_what_gateways_carry_themselves_stands_as_they_say(tmp_path: Path) -> None:
    serve = Serve(RUNNING)
    (tmp_path / "upstream.yaml").write_text("url: grpc://triton:8001\n")
    there = Version("m", 1, tmp_path, "upstream", ModelConfig())
    unread = Version("m", 2, tmp_path / "none", "upstream", ModelConfig())
    watching = serve.watch(there, unread)
    (carried,) = watching.first["carried"]
    assert (carried["label"], carried["settings"]["url"]) == ("m/1", "grpc://triton:8001")
    assert watching.first["hosts"] == []
    moved = {"event": "moved", "version": "m/1", "reason": "gone"}
    watching.start()
    for state, is_lost in (("loading", False), ("ready", False), ("loading", True)):
        watching.hear("gateway", {**moved, "state": state, "is_lost": is_lost})
        assert serve.asked.acquire(timeout=60)
    watching.stop(60)
    assert serve.started == []
    assert watching.standings["m/1"].state is State.LOADING
    (death,) = serve.accounts.records()["m/1"].deaths
    assert death.why == "gone"
    assert watching.standings["m/2"].state is State.FAILED


@pytest.mark.parametrize(
    ("standing", "waits"),
    [
        (AWAITED, True),
        (DECLARED, True),
        (Standing(State.LOADING, "waits for its server: refused"), False),
        (Standing(State.READY, ""), False),
        (Standing(State.FAILED, ""), False),
    ],
)
def test_a_start_waits_until_a_server_was_tried(standing: Standing, waits: bool) -> None:
    crew = Crew([Version("m", 1, Path("/m/1"), "upstream", ModelConfig())], cpus=2)
    assert awaited_of(crew, {"m/1": standing}) == (["m/1"] if waits else [])
    hosted = Crew([], cpus=2)
    assert bool(awaited_of(hosted, {"m/1": standing})) is (standing.state not in SETTLED)


class Server:
    """A carriage of the core's, of which a test says how it stands."""

    def __init__(self) -> None:
        self.told: queue.Queue[dict[str, Any]] = queue.Queue()
        self.is_closed = False

    def wait(self, timeout_s: float) -> str:
        return json.dumps(self.told.get(timeout=60))

    def close(self, timeout_s: float) -> bool:
        self.is_closed = True
        self.told.put({"state": "over"})
        return True


def test_a_gateway_carries_what_its_table_says_and_tells_how_that_stands() -> None:
    opened: list[tuple[Carriage, Server]] = []
    heard: queue.Queue[tuple[str, State]] = queue.Queue()

    def carry(carriage: Carriage) -> Server:
        if not carriage.settings:
            raise ValueError("no address")
        opened.append((carriage, Server()))
        return opened[-1][1]

    carried = Carried(carry, lambda one, word: heard.put((one.label, word.standing.state)))
    carried.want([ONE])
    carried.want([ONE])
    ((_, server),) = opened
    assert carried.untried == {"m/1"}
    down: dict[str, Any] = {"state": "down", "reason": "gone"}
    for told in (down, UP, UP, down):
        server.told.put(told)
    # That it is reached over another connection is no word of it.
    states = [heard.get(timeout=60)[1] for _ in range(3)]
    assert states == [State.LOADING, State.READY, State.LOADING]
    other = replace(ONE, settings={"url": "grpc://triton:9001"})
    carried.want([other])
    assert server.is_closed
    assert [one for one, _ in opened] == [ONE, other]
    carried.want([])
    assert opened[1][1].is_closed
    carried.want([replace(ONE, settings={})])
    assert heard.get(timeout=60) == ("m/1", State.FAILED)
