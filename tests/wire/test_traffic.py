"""Each gateway, over each protocol, answers with the version that docs/traffic.md names."""

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import headrace_core
import numpy as np
import pytest
import tritonclient.grpc
from tests.traffic import preference

SHARES = {1: 5000, 2: 3000, 3: 2000}
TABLE = {
    "versions": [{"version": version, "state": "READY"} for version in (1, 2, 3, 4)],
    "weights": [{"version": version, "share": share} for version, share in SHARES.items()],
    "aliases": [{"name": "champion", "version": 2}, {"name": "next-best", "version": 4}],
    "rules": [
        {"fact": {"header": "x-team"}, "value": "red", "version": 4},
        {"fact": {"parameter": "beta"}, "value": "true", "version": 2},
    ],
    "sticky": {"fact": {"header": "x-user"}, "salt": "spring"},
}
BODY = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [1.0]}]}


class Node:
    """A gateway and a host with four versions, asked over both protocols."""

    def __init__(self, **more: Any) -> None:
        settings = {"http": "127.0.0.1:0", "grpc": "127.0.0.1:0", "io_threads": 1, **more}
        self.gateway = headrace_core.Gateway(json.dumps(settings))
        self.host = headrace_core.Host(json.dumps({"socket": None, "arena_bytes": 0}))
        self.gateway.attach(self.host)
        self.gateway.start()
        self.lanes: list[threading.Thread] = []
        for version in (1, 2, 3, 4):
            self.open(version)
        table = {"epoch": {"term": 1, "sequence": 1}, "models": {"m": TABLE}}
        self.gateway.apply_policy(json.dumps(table))
        addresses = self.gateway.addresses()
        self.http = http.client.HTTPConnection(addresses["http"], timeout=30)
        self.grpc = tritonclient.grpc.InferenceServerClient(addresses["grpc"])

    def open(self, version: int) -> None:
        contract = {
            "model": "m",
            "version": version,
            "platform": "python",
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [1]}],
            "outputs": [{"name": "y", "datatype": "FP32", "shape": [1]}],
            "batching": {"max_rows": 8},
            "lanes": 1,
        }
        intake = self.host.open(json.dumps(contract))
        lane = threading.Thread(target=self.serve, args=(intake,))
        lane.start()
        self.lanes.append(lane)

    @staticmethod
    def serve(intake: headrace_core.Intake) -> None:
        while (batch := intake.next_batch(0)) is not None:
            batch.complete({"y": batch.inputs["x"]})

    def over_http(
        self, headers: dict[str, str], parameters: dict[str, Any], version: str = ""
    ) -> int:
        body = json.dumps(BODY | {"parameters": parameters})
        below = f"/versions/{version}" if version else ""
        self.http.request("POST", f"/v2/models/m{below}/infer", body, headers)
        reply = self.http.getresponse()
        assert reply.status == 200, reply.read()
        reply.read()
        return int(reply.headers["x-headrace-version"])

    def over_grpc(
        self, headers: dict[str, str], parameters: dict[str, Any], version: str = ""
    ) -> int:
        tensor = tritonclient.grpc.InferInput("x", [1, 1], "FP32")
        tensor.set_data_from_numpy(np.ones((1, 1), np.float32))
        answer = self.grpc.infer("m", [tensor], version, headers=headers, parameters=parameters)
        return int(answer.get_response().model_version)

    def read(self, path: str) -> tuple[int, Any]:
        self.http.request("GET", path)
        reply = self.http.getresponse()
        return reply.status, json.loads(reply.read())

    def shut(self) -> None:
        assert self.gateway.drain(10.0)
        assert self.host.drain(10.0)
        for lane in self.lanes:
            lane.join(30)
        self.http.close()
        self.grpc.close()


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[Node]]:
    both = [Node(), Node()]
    yield both
    for node in both:
        node.shut()


def asked(
    nodes: list[Node], headers: dict[str, str], parameters: dict[str, Any], version: str = ""
) -> set[int]:
    """Who answers, on every gateway and over both protocols."""
    ways = [way for node in nodes for way in (node.over_http, node.over_grpc)]
    return {way(headers, parameters, version) for way in ways}


def test_an_alias_goes_before_all_else(nodes: list[Node]) -> None:
    assert asked(nodes, {}, {}, "champion") == {2}
    assert asked(nodes, {"x-team": "red"}, {"beta": True}, "next-best") == {4}
    assert asked(nodes, {"x-team": "red"}, {"beta": True}, "1") == {1}


def test_what_is_asked_about_an_alias_is_told_of_its_version(nodes: list[Node]) -> None:
    (node, _) = nodes
    assert node.read("/v2/models/m/versions/champion/ready")[0] == 200
    assert node.grpc.is_model_ready("m", "champion")
    assert node.read("/v2/models/m/versions/champion")[1]["name"] == "m"
    assert node.grpc.get_model_metadata("m", "champion").name == "m"
    assert node.read("/v2/models/m/versions/champion/config")[1]["name"] == "m"
    assert node.grpc.get_model_config("m", "champion").config.name == "m"
    (told,) = node.read("/v2/models/m/versions/champion/stats")[1]["model_stats"]
    (row,) = node.grpc.get_inference_statistics("m", "champion").model_stats
    assert (told["version"], row.version) == ("2", "2")


def test_a_name_that_is_no_alias_is_not_found(nodes: list[Node]) -> None:
    (node, _) = nodes
    said = "Request for unknown model: 'm' version 'loser' is not found"
    for path in ("", "/ready", "/config"):
        assert node.read(f"/v2/models/m/versions/loser{path}") == (404, {"error": said})
    assert node.read("/v2/models/m/versions/loser/stats")[0] == 400
    assert not node.grpc.is_model_ready("m", "loser")
    calls: list[Callable[[], Any]] = [
        lambda: node.over_grpc({}, {}, "loser"),
        lambda: node.grpc.get_model_metadata("m", "loser"),
        lambda: node.grpc.get_model_config("m", "loser"),
    ]
    for call in calls:
        with pytest.raises(tritonclient.grpc.InferenceServerException, match=said) as error:
            call()
        assert error.value.status() == "StatusCode.NOT_FOUND"


def test_values_stick_to_the_version_that_the_page_names(nodes: list[Node]) -> None:
    found = set()
    for at in range(500):
        owner = preference("spring", f"user-{at}", SHARES)[0]
        assert asked(nodes, {"x-user": f"user-{at}"}, {}) == {owner}, at
        found.add(owner)
    assert found == set(SHARES)


def test_rules_go_before_what_sticks(nodes: list[Node]) -> None:
    user = {"x-user": "user-0"}
    assert asked(nodes, user | {"x-team": "red"}, {}) == {4}
    assert asked(nodes, user | {"x-team": "red"}, {"beta": True}) == {4}
    assert asked(nodes, user, {"beta": True}) == {2}
    assert asked(nodes, user, {"beta": False}) == {preference("spring", "user-0", SHARES)[0]}


def test_without_a_rules_version_its_requests_are_served_by_another(nodes: list[Node]) -> None:
    owner = preference("spring", "user-0", SHARES)[0]
    for node in nodes:
        node.host.close("m", 4)
    facts = {"x-user": "user-0", "x-team": "red"}
    assert asked(nodes, facts, {}) == {owner}
    for node in nodes:
        node.host.close("m", owner)
    (_, second, third) = preference("spring", "user-0", SHARES)
    assert asked(nodes, facts, {}) == {second}
    assert asked(nodes, {"x-user": "user-0"}, {}) == {second} != {third}
