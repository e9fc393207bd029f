"""A version that serves beside shadows of every kind: what callers notice, and what is found."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import headrace_core
import numpy as np
import pytest

from headrace.control.shadows import Word, verdict

#: Elements of an output that is too large to be compared.
TOO_MANY = 5 << 20
REQUESTS = 60


class Node:
    """A gateway in this process, and a host with six versions of one model."""

    def __init__(self) -> None:
        settings = {"http": "127.0.0.1:0", "metrics": "127.0.0.1:0", "io_threads": 1}
        self.gateway = headrace_core.Gateway(json.dumps(settings))
        self.host = headrace_core.Host(json.dumps({"socket": None, "arena_bytes": 0}))
        self.gateway.attach(self.host)
        self.gateway.start()
        self.goes_on = threading.Event()
        works: dict[int, Callable[[headrace_core.Batch], object]] = {
            1: lambda batch: batch.complete({"y": batch.inputs["x"]}),
            2: lambda batch: batch.complete({"y": batch.inputs["x"] * np.float32(1.01)}),
            3: lambda batch: batch.complete({"y": batch.inputs["x"]}),
            4: lambda batch: batch.fail("no weights"),
            5: self.hang,
            6: lambda batch: batch.complete({"y": np.ones((batch.rows, TOO_MANY), np.float32)}),
        }
        self.lanes = [self.open(version, work) for version, work in works.items()]
        self.http = http.client.HTTPConnection(self.gateway.addresses()["http"], timeout=30)

    def hang(self, batch: headrace_core.Batch) -> None:
        self.goes_on.wait(60)
        batch.complete({"y": batch.inputs["x"]})

    def open(self, version: int, work: Callable[[headrace_core.Batch], object]) -> threading.Thread:
        contract = {
            "model": "m",
            "version": version,
            "platform": "python",
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1]}],
            "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1]}],
            "batching": {"max_rows": 8},
            "repeatable": True,
            "lanes": 1,
        }
        intake = self.host.open(json.dumps(contract))

        def serve() -> None:
            while (batch := intake.next_batch(0)) is not None:
                work(batch)

        lane = threading.Thread(target=serve)
        lane.start()
        return lane

    def shadows(self, sequence: int, *versions: int) -> None:
        table = {
            "versions": [{"version": one, "state": "READY"} for one in range(1, 7)],
            "weights": [{"version": 1, "share": 10000}],
            "shadows": [{"version": one, "share": 10000} for one in versions],
        }
        epoch = {"term": 1, "sequence": sequence}
        self.gateway.apply_policy(json.dumps({"epoch": epoch, "models": {"m": table}}))

    def ask(self, values: list[float]) -> float:
        """Return how long an answer took, which is what was sent."""
        tensor = {"name": "x", "datatype": "FP32", "shape": [1, len(values)], "data": values}
        began = time.monotonic()
        self.http.request("POST", "/v2/models/m/infer", json.dumps({"inputs": [tensor]}))
        reply = self.http.getresponse()
        answer = json.loads(reply.read())
        assert reply.status == 200, answer
        assert np.array(answer["outputs"][0]["data"], np.float32).tolist() == values
        assert reply.headers["x-headrace-version"] == "1"
        return time.monotonic() - began

    def told(self) -> dict[int, Any]:
        found = json.loads(self.gateway.stats())["shadows"]
        return {one["version"]: one for one in found}

    def until(self, version: int, is_so: Callable[[Any], bool]) -> Any:
        """Return what is told of a shadow, once it is so."""
        for _ in range(3000):
            told = self.told()[version]
            if is_so(told):
                return told
            time.sleep(0.01)  # noqa: TID251 - who compares tells nobody
        raise AssertionError(f"never: {told}")

    def shut(self) -> None:
        began = time.monotonic()
        assert self.gateway.drain(10.0), "a shadow that hangs keeps nobody from ending"
        assert time.monotonic() - began < 9
        self.goes_on.set()
        assert self.host.drain(10.0)
        for lane in self.lanes:
            lane.join(30)
        self.http.close()


@pytest.fixture
def node() -> Iterator[Node]:
    node = Node()
    yield node
    node.shut()


def test_what_shadows_answer_is_found_and_costs_callers_nothing(node: Node) -> None:
    node.shadows(1, 2, 3, 4, 5, 6)
    dice = np.random.default_rng(7)
    each = [dice.normal(size=16).astype(np.float32).tolist() for _ in range(REQUESTS)]
    slowest = max(map(node.ask, each))
    assert slowest < 5, "a shadow that hangs would cost ten"

    def pairs(told: Any) -> bool:
        found = [one["found"] for one in told["against"]]
        ends = [one["compared"] + sum(one["failed"].values()) for one in found]
        noise = [one["noise"]["compared"] for one in told["against"]]
        return bool(sum(ends) >= 20 and sum(noise) >= 8)

    changed = node.until(2, pairs)["against"][0]
    said = verdict(changed["found"], changed["noise"])
    assert said.word is Word.DIFFERS
    assert said.why.startswith("y: max rel 1.0e-02"), said
    assert said.why.endswith("; floor 0.0e+00"), said
    same = node.until(3, pairs)["against"][0]
    assert verdict(same["found"], same["noise"]).word is Word.SAME
    failing = node.until(4, pairs)["against"][0]
    said = verdict(failing["found"], failing["noise"])
    assert said.word is Word.DIFFERS
    assert "(model_failed " in said.why, said
    huge = node.until(6, lambda told: any(one["found"]["failed"] for one in told["against"]))
    huge = huge["against"][0]["found"]
    assert (huge["compared"], huge["failed"].keys()) == (0, {"too_large"})
    hangs = node.told()[5]
    assert hangs["copied"] + sum(hangs["dropped"].values()) >= REQUESTS
    # Callers are counted, copies are not; and who asks for numbers sees both.
    address = node.gateway.addresses()["metrics"]
    scraped = http.client.HTTPConnection(address, timeout=30)
    scraped.request("GET", "/metrics")
    page = scraped.getresponse().read().decode().splitlines()
    scraped.close()
    success = 'nv_inference_request_success{model="m",version='
    counted = {line.removeprefix(success) for line in page if line.startswith(success)}
    assert counted == {f'"1"}} {REQUESTS}', *(f'"{one}"}} 0' for one in range(2, 7))}
    name = 'headrace_shadow_outputs_total{model="m",version="3",primary="1",output="y",result='
    assert f'{name}"different"}} 0' in page
    assert not any(line.startswith(f'{name}"same"}} 0') for line in page)


def test_a_shadow_comes_and_goes_with_the_table(node: Node) -> None:
    node.shadows(1)
    node.ask([1.0])
    assert node.told() == {}
    node.shadows(2, 3)
    node.ask([1.0])
    told = node.until(3, lambda told: bool(told["against"]))
    assert (told["copied"], told["dropped"]) == (1, {})
    node.shadows(3)
    node.ask([1.0])
    assert node.told() == {}
