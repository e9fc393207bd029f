"""Answers in parts, as Triton's clients and a reader of server-sent events get them."""

import asyncio
import json
import queue
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.grpc.aio
from tritonclient.utils import InferenceServerException

#: As long as a model of the tests that dawdles takes for a part.
PAUSE_S = 0.1


def inputs(count: int, pause_s: float = 0.0) -> list[tritonclient.grpc.InferInput]:
    """Of model ``count``, which says 0, 1, … and raises at 666."""
    said = [("n", np.array([[count]], np.int64)), ("pause", np.array([[pause_s]], np.float32))]
    found = []
    for (name, value), datatype in zip(said, ("INT64", "FP32"), strict=True):
        tensor = tritonclient.grpc.InferInput(name, [1, 1], datatype)
        tensor.set_data_from_numpy(value)
        found.append(tensor)
    return found


def post(server: Any, verb: str, body: dict[str, Any]) -> urllib.request.Request:
    url = f"http://{server.http}/v2/models/count/{verb}"
    return urllib.request.Request(url, json.dumps(body).encode(), method="POST")


def events(server: Any, body: dict[str, Any]) -> Generator[dict[str, Any]]:
    with urllib.request.urlopen(post(server, "generate_stream", body), timeout=30) as reply:
        assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
        for line in reply:
            if line != b"\n":
                assert line.startswith(b"data: ")
                yield json.loads(line[6:])


def test_a_stream_gives_out_each_part_and_the_last_message(server: Any) -> None:
    answers: queue.Queue[Any] = queue.Queue()
    with tritonclient.grpc.InferenceServerClient(server.grpc) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        for request in ("a", "b"):
            client.async_stream_infer(
                "count", inputs(40), request_id=request, enable_empty_final_response=True
            )
        tokens: dict[str, list[int]] = {"a": [], "b": []}
        for _ in range(82):
            result, error = answers.get(timeout=30)
            assert error is None
            response = result.get_response()
            final = response.parameters["triton_final_response"].bool_param
            assert final == (len(response.outputs) == 0)
            if not final:
                tokens[response.id].append(int(result.as_numpy("token")[0, 0]))
        client.stop_stream()
    assert tokens == {"a": list(range(40)), "b": list(range(40))}
    assert answers.empty()


def test_what_fails_after_parts_is_an_error_of_its_request(server: Any) -> None:
    async def ask() -> tuple[list[int], str]:
        tokens, errors = [], []
        async with tritonclient.grpc.aio.InferenceServerClient(server.grpc) as client:

            async def requests() -> Any:
                yield {"model_name": "count", "inputs": inputs(700)}

            async for result, error in client.stream_infer(requests()):
                if error is None:
                    tokens.append(int(result.as_numpy("token")[0, 0]))
                else:
                    errors.append(str(error))
        return tokens, "".join(errors)

    tokens, error = asyncio.run(ask())
    assert tokens == list(range(666))
    assert "the number of the beast" in error


def test_generate_stream_sends_each_part_when_it_is_made(server: Any) -> None:
    came = [
        (event["token"], time.monotonic()) for event in events(server, {"n": 8, "pause": PAUSE_S})
    ]
    assert [token for token, _ in came] == list(range(8))
    assert came[-1][1] - came[0][1] > 2 * PAUSE_S, "they came together"
    last = list(events(server, {"n": 700, "pause": 0}))[-1]
    assert "the number of the beast" in last["error"]
    assert list(events(server, {"n": 0, "pause": 0})) == []


def test_generate_joins_the_parts(server: Any) -> None:
    for count, token in [(0, []), (1, 0), (3, [0, 1, 2])]:
        with urllib.request.urlopen(
            post(server, "generate", {"n": count, "pause": 0}), timeout=30
        ) as reply:
            expected = {"model_name": "count", "model_version": "1", "token": token}
            assert json.load(reply) == expected


def test_who_leaves_takes_its_request_back(server: Any) -> None:
    def cancelled() -> int:
        _, page = server.get("/metrics", server.metrics)
        name = 'headrace_request_failures_total{model="count",version="1",kind="cancelled"}'
        return int(
            next(line for line in page.decode().splitlines() if line.startswith(name)).split()[-1]
        )

    before = cancelled()
    left = events(server, {"n": 600, "pause": PAUSE_S})
    assert next(left)["token"] == 0
    left.close()
    deadline = time.monotonic() + 30
    while cancelled() == before:
        assert time.monotonic() < deadline
        time.sleep(0.01)  # noqa: TID251 - waits for another process
    assert next(events(server, {"n": 1, "pause": 0}))["token"] == 0


def test_a_deadline_ends_a_stream(server: Any) -> None:
    body = {"n": 600, "pause": PAUSE_S, "parameters": {"timeout": 350_000}}
    said = list(events(server, body))
    assert [event["token"] for event in said[:2]] == [0, 1]
    assert "the deadline of 350.0 ms passed" in said[-1]["error"]


def test_one_answer_is_not_to_be_had(server: Any) -> None:
    with tritonclient.grpc.InferenceServerClient(server.grpc) as client:
        with pytest.raises(InferenceServerException, match="generate_stream") as refused:
            client.infer("count", inputs(1))
        assert refused.value.status() == "StatusCode.INVALID_ARGUMENT"
        assert client.get_model_config("count").config.model_transaction_policy.decoupled
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(post(server, "infer", {"inputs": []}), timeout=30)
    assert json.loads(server.get("/v2/models/count/config")[1])["model_transaction_policy"] == {
        "decoupled": True
    }


def test_versions_that_answer_once_generate_too(server: Any) -> None:
    url = f"http://{server.http}/v2/models/pair/generate"
    request = urllib.request.Request(
        url, json.dumps({"a": [1, 2, 3, 4], "b": [[1, 1], [1, 1]]}).encode()
    )
    with urllib.request.urlopen(request, timeout=30) as reply:
        answer = json.load(reply)
    assert (answer["sum"], answer["difference"]) == ([2, 3, 4, 5], [0, 1, 2, 3])
