"""Versions that users stick to: how many users fare badly decides, and not how many requests."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from itertools import count
from pathlib import Path

import pytest
from tests.local.conftest import LocalServer, ready
from tests.local.test_rollouts import ended

#: Version 2 fails for who sends what is below nothing.
MODEL = """
from headrace import Batch, Model, Tensor

class Picky(Model):
    inputs = [Tensor("x", "FP32", [1])]
    outputs = [Tensor("y", "FP32", [1])]

    def predict(self, batch: Batch):
        if {version} == 2 and (batch["x"] < 0).any():
            raise ValueError("below nothing")
        return {{"y": batch["x"]}}
"""
CONFIG = """
batching: {max_rows: 1}
rollouts:
  default:
    steps_percent: [50, 75, 100]
    judge: {errors: {max_increase_points: 10}}
    minimum: {units: 20, minutes: 0}
    max_hours: 1
"""
#: After as many a user has said what he says.
REQUESTS = 20


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for version in (1, 2):
        folder = tmp_path / "models" / "picky" / str(version)
        folder.mkdir(parents=True)
        (folder / "model.py").write_text(MODEL.format(version=version))
    (tmp_path / "models" / "picky" / "model.yaml").write_text(CONFIG)
    return tmp_path / "models"


def ask(connection: HTTPConnection, user: str, value: float) -> tuple[int, str]:
    """Return the status, and the version that answered, if one did."""
    sent = {"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [value]}
    headers = {"x-user": user}
    connection.request("POST", "/v2/models/picky/infer", json.dumps({"inputs": [sent]}), headers)
    answer = connection.getresponse()
    told = json.loads(answer.read())
    return answer.status, told.get("model_version", "")


@contextmanager
def calling(server: LocalServer, *callers: Callable[[HTTPConnection], object]) -> Iterator[None]:
    """Have each do what it does, again and again."""
    stop = threading.Event()

    def call(does: Callable[[HTTPConnection], object]) -> None:
        with closing(HTTPConnection(server.http, timeout=30)) as connection:
            while not stop.is_set():
                does(connection)

    threads = [threading.Thread(target=call, args=[does]) for does in callers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def started(server: LocalServer) -> None:
    server.command("split", "picky", "1=100")
    server.command("sticky", "picky", "header:x-user")
    told = server.command("rollout", "start", "picky/2")
    assert "users are the units, by header:x-user" in told


def test_one_user_who_asks_most_and_always_fails_sends_no_version_back(
    tmp_path: Path, models: Path
) -> None:
    with ready(models, tmp_path / "state") as server:
        started(server)
        with closing(HTTPConnection(server.http, timeout=30)) as connection:
            names = (f"busy-{number}" for number in count())
            busy = next(name for name in names if ask(connection, name, 1.0)[1] == "2")
        numbers, by_two = count(), Counter[str]()

        def fails(connection: HTTPConnection) -> None:
            assert ask(connection, busy, -1.0)[0] == 500
            by_two["busy"] += 1

        def fares_well(connection: HTTPConnection) -> None:
            name = f"user-{next(numbers)}"
            for _ in range(REQUESTS):
                status, version = ask(connection, name, 1.0)
                assert status == 200
                by_two["others"] += version == "2"

        with calling(server, fails, fails, fails, fares_well):
            end, why = ended(server, 1)
        assert (end, "no metric is worse than allowed" in why) == ("promoted", True), why
        assert by_two["busy"] > by_two["others"], by_two


def test_many_users_who_fail_send_a_version_back(tmp_path: Path, models: Path) -> None:
    with ready(models, tmp_path / "state") as server:
        started(server)
        numbers = count()

        def fares(connection: HTTPConnection) -> None:
            number = next(numbers)
            for _ in range(REQUESTS):
                ask(connection, f"user-{number}", -1.0 if number % 3 == 0 else 1.0)

        with calling(server, fares, fares):
            end, why = ended(server, 1)
        assert (end, "errors: " in why, "worse than allowed" in why) == ("rolled back", True, True)
