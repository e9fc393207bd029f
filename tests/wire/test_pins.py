"""Who may name a version, over both protocols."""

import json
from collections.abc import Iterator

import numpy as np
import pytest
import tritonclient.grpc
from tests.wire.test_traffic import BODY, Node

from headrace.config.pins import Pins

KEY = "k" * 16
SAID = "send its key as 'x-pin'"


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    guarded = Node(pins=Pins("x-pin", KEY).as_gateway_reads())
    yield guarded
    guarded.shut()


def posted(node: Node, path: str, headers: dict[str, str]) -> tuple[int, str]:
    node.http.request("POST", f"/v2/models/m{path}", json.dumps(BODY), headers)
    reply = node.http.getresponse()
    return reply.status, reply.read().decode()


@pytest.mark.parametrize("version", ["4", "next-best", "9", "nobody"])
@pytest.mark.parametrize("headers", [{}, {"x-pin": "k" * 15}, {"x-pin": "k" * 17}, {"x-pin": ""}])
def test_who_has_no_key_may_not_name_a_version(
    node: Node, version: str, headers: dict[str, str]
) -> None:
    for verb in ("infer", "generate", "generate_stream"):
        status, said = posted(node, f"/versions/{version}/{verb}", headers)
        assert (status, SAID in said) == (403, True), said
    with pytest.raises(tritonclient.grpc.InferenceServerException, match=SAID) as error:
        node.over_grpc(headers, {}, version)
    assert error.value.status() == "StatusCode.PERMISSION_DENIED"


@pytest.mark.parametrize("version", ["4", "next-best"])
def test_who_has_it_may(node: Node, version: str) -> None:
    assert node.over_http({"X-Pin": KEY}, {}, version) == 4
    assert node.over_grpc({"x-pin": KEY}, {}, version) == 4


def test_who_names_none_needs_none_and_looks_are_free(node: Node) -> None:
    assert node.over_http({"x-team": "red"}, {}) == node.over_grpc({"x-team": "red"}, {}) == 4
    assert node.read("/v2/models/m/versions/4/ready")[0] == 200
    assert node.grpc.is_model_ready("m", "4")
    assert node.grpc.get_model_metadata("m", "4").name == "m"


def test_a_stream_is_told_of_each_request(node: Node) -> None:
    tensor = tritonclient.grpc.InferInput("x", [1, 1], "FP32")
    tensor.set_data_from_numpy(np.ones((1, 1), np.float32))
    answers: list[object] = []
    client = tritonclient.grpc.InferenceServerClient(node.gateway.addresses()["grpc"])
    with client:
        client.start_stream(lambda result, error: answers.append(error or result))
        for version in ("4", ""):
            client.async_stream_infer("m", [tensor], version)
        client.stop_stream()
    refused, answered = answers
    assert SAID in str(refused)
    assert isinstance(answered, tritonclient.grpc.InferResult)
