"""Models that call others, in one process."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from headrace_core import Calls
from tests.calls.asking import CASES, check, repository, told
from tests.local.conftest import LocalServer, ready, start
from tests.local.test_serving import until

from headrace.execution.calling import Ongoing

#: The rest of a call.
HOW = {
    "version": "",
    "id": "",
    "outputs": [],
    "parameters": {},
    "timeout_s": 60.0,
    "callers": "front/1",
    "in_parts": False,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    models = repository(tmp_path_factory.mktemp("models"))
    with ready(models, tmp_path_factory.mktemp("state")) as running:
        yield running


@pytest.mark.parametrize(("parameters", "expected"), CASES)
def test_a_model_asks_another_one(
    server: LocalServer, parameters: dict[str, Any], expected: Any
) -> None:
    check(server.http, parameters, expected)


def test_a_call_is_a_request_as_any_other(server: LocalServer) -> None:
    told(server.http, say="counted")
    _, stats = server.get(f"http://{server.http}/v2/models/back/stats")
    assert stats["model_stats"][0]["inference_stats"]["success"]["count"] > 0
    assert "back" in server.command("why")


def test_a_model_that_calls_is_warmed_up_until_it_does(server: LocalServer) -> None:
    assert (
        "front/1 | warmed up until where it calls another model (CalledEarly: " in server.output()
    )


def test_what_was_taken_before_the_end_has_its_calls(tmp_path: Path) -> None:
    server = start(repository(tmp_path / "models"), tmp_path / "state")
    asked: dict[str, Any] = {"how": "twice", "sleep_s": 2.0}
    found: list[Any] = []
    caller = threading.Thread(target=lambda: found.append(told(server.http, **asked)))
    try:
        server.wait_ready()
        caller.start()
        until(lambda: is_in_flight(server, "back"), "back has the call")
        # The second call is made when the end has begun.
        assert server.end() == 0
        caller.join()
        assert found == [[[[[2.0, 4.0]], ["back"]]]]
    finally:
        server.process.kill()
        server.process.wait()


def test_a_call_that_its_task_leaves_is_taken_back(tmp_path: Path) -> None:
    ongoing = Ongoing(Calls(str(tmp_path / "nobody")).begin("back", [], HOW))

    async def leave() -> None:
        await asyncio.wait_for(ongoing.when_ready(), 0.05)

    with pytest.raises(TimeoutError):
        asyncio.run(leave())
    # Else it would be an error, once the gateway is not there after all.
    assert ongoing.next() is None


def is_in_flight(server: LocalServer, model: str) -> bool:
    models = server.get(f"{server.console}/api/status")[1]["models"]
    (found,) = [one for one in models if one["name"] == model]
    return bool(found["versions"][0]["in_flight"])
