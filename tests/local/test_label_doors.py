"""Labels sent to the addresses that answer inferences, and to the console's: the same of both."""

import http.client
import json
import os
import select
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from tests.feedback.messages import METHOD, send
from tests.feedback.promise import arms, call, halve, key_of, label, write_models
from tests.local.conftest import LocalServer, ready

from headrace.client import send_labels
from headrace.console.door import TOKEN_NEEDED
from headrace.console.labelling import MOST_BYTES, PATHS, TOO_LONG
from headrace.feedback.prediction import Prediction, Top, written

#: So many are in the gateway at once (`gateway/labels.rs`).
PLACES: Final = 64
PATH: Final = PATHS[0]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    folder = tmp_path_factory.mktemp("labels")
    with ready(write_models(folder / "models"), folder / "state") as one:
        yield one


def made(server: LocalServer, nonce: int, number: int = 1) -> str:
    """Return the id that an answer of the server would have."""
    now_s = int(time.time())
    return written(Prediction("m", 1, now_s, 72, nonce, (Top(number, 0.5),)), key_of(server.state))


def post(address: str, body: bytes, **headers: str) -> tuple[int, Any, dict[str, str]]:
    line = http.client.HTTPConnection(address, timeout=60)
    try:
        line.request("POST", PATH, body, {"Content-Type": "application/json"} | headers)
        answer = line.getresponse()
        said = {name.lower(): text for name, text in answer.getheaders()}
        return answer.status, json.loads(answer.read()), said
    finally:
        line.close()


def doors(server: LocalServer) -> tuple[str, str]:
    return server.http, server.console.removeprefix("http://")


def test_a_prediction_counts_once_whichever_door_its_label_comes_through(
    server: LocalServer,
) -> None:
    one = {"prediction_id": made(server, 1), "label": 1, "segment": "de", "scores": {"clicks": 2}}
    first, again = (post(door, json.dumps({"feedback": [one]}).encode()) for door in doors(server))
    assert (first[0], first[1]["joined"], again[1]["twice"]) == (200, 1, 1)
    assert send_labels([one], f"http://{server.http}")["twice"] == 1
    other = one | {"prediction_id": made(server, 2), "label": [5]}
    told = send(server.grpc, [one | {"label": [1]}, other, {"prediction_id": "x", "label": [1]}])
    assert (told.joined, told.twice, told.forged) == (1, 1, 1)
    assert dict(told.first) == {"twice": 0, "forged": 2}
    lines = server.state / "one.jsonl"
    lines.write_text(json.dumps(other))
    url = f"http://{server.http}"
    assert "twice    1" in server.command("feedback", "send", "--url", url, str(lines))
    (version,) = server.get(f"{server.console}/api/feedback/m")[1]["versions"]
    assert (version["predictions"], version["right"]) == (2, 1)
    assert version["scores"]["clicks"] == {"count": 2, "mean": 2.0}


def test_what_is_no_label_is_refused_in_the_same_words(server: LocalServer) -> None:
    good = {"prediction_id": made(server, 3), "label": 1}
    table: list[bytes] = [
        *(b"", b"{", b"\xff", b"[" * 10_000, b"\x00" * 100),
        *(
            json.dumps({"feedback": one}).encode()
            for one in (
                None,
                [good] * 1001,
                [good | {"label": "1"}],
                [good, good | {"label": None}],
                [good | {"label": [1] * 9}],
                [good | {"segment": "a\x00"}],
                [good | {"lable": 1}],
                [good | {"prediction_id": "x" * 501}],
            )
        ),
        *(b" " * size for size in (MOST_BYTES + 1, 8 << 20)),
    ]
    for body in table:
        ours, consoles = (post(door, body)[:2] for door in doors(server))
        assert ours == consoles, body[:100]
        assert ours[0] in (400, 413)
    assert ours == (413, {"error": TOO_LONG})
    body = json.dumps({"feedback": [good]}).encode()
    named = [post(door, body, Host="rebound.example")[:2] for door in doors(server)]
    assert named[0] == named[1]
    assert named[0][0] == 403


def test_who_writes_a_long_body_nobody_wants_is_told_why(server: LocalServer) -> None:
    body = b" " * (8 << 20)
    ours, consoles = doors(server)
    asked: list[tuple[str, str, dict[str, str], int]] = [
        (ours, "/v2/models/none/infer", {}, 400),
        (ours, "/nowhere", {}, 404),
        (ours, "/v2/health/live", {}, 405),
        (consoles, PATH, {"Host": "rebound.example"}, 403),
        (consoles, "/nowhere", {}, 404),
    ]
    for door, path, headers, status in asked:
        line = http.client.HTTPConnection(door, timeout=60)
        line.putrequest("POST", path, skip_host="Host" in headers)
        for name, text in {**headers, "Content-Length": str(len(body))}.items():
            line.putheader(name, text)
        line.endheaders()
        if door == ours and path != "/v2/models/none/infer":
            # It is answered before any of its body is written.
            assert select.select([line.sock], [], [], 60)[0]
        line.send(body)
        answer = line.getresponse()
        assert answer.status == status, path
        assert json.loads(answer.read())["error"]
        line.close()


def test_who_writes_no_body_is_told_why_without_it(server: LocalServer) -> None:
    for head in ({}, {"Expect": "100-continue"}):
        line = http.client.HTTPConnection(doors(server)[1], timeout=60)
        line.request("POST", "/nowhere", headers={**head, "Content-Length": "9"})
        answer = line.getresponse()
        assert (answer.status, answer.getheader("connection")) == (404, "close")
        line.close()


def test_a_body_of_no_known_length_is_read_no_further_than_it_may_go(server: LocalServer) -> None:
    line = http.client.HTTPConnection(server.http, timeout=60)
    sent = 0

    def parts() -> Iterator[bytes]:
        nonlocal sent
        while True:
            sent += 64 << 10
            yield b" " * (64 << 10)

    chunked = {"Transfer-Encoding": "chunked"}
    with suppress(OSError):  # it is answered, and closed, meanwhile
        line.request("POST", PATH, parts(), encode_chunked=True, headers=chunked)
    # Of what was sent the kernels of both sides keep some megabytes.
    assert MOST_BYTES < sent < 40 << 20
    line.close()


def test_what_is_no_message_is_refused(server: LocalServer) -> None:
    def code(message: bytes) -> tuple[grpc.StatusCode, str]:
        with grpc.insecure_channel(server.grpc) as channel:
            ask = channel.unary_unary(METHOD)
            with pytest.raises(grpc.RpcError) as error:
                ask(message, timeout=60)
        return error.value.code(), error.value.details()

    invalid = grpc.StatusCode.INVALID_ARGUMENT
    assert code(b"\xff") == (
        invalid,
        "failed to parse the request message: it ends within a varint",
    )
    assert code(b" " * (MOST_BYTES + 1)) == (invalid, TOO_LONG)
    # Labels without anything, of which few bytes are many of JSON.
    assert code(b"\x0a\x00" * (1 << 20)) == (invalid, TOO_LONG)
    told = code(b"\x0a\x00")
    assert told[0] is invalid
    assert "feedback.0.prediction_id: String should have at least 1 character" in told[1]
    with pytest.raises(grpc.RpcError) as error:
        send(server.grpc, [{"prediction_id": made(server, 4), "label": [float("nan")]}])
    assert "feedback.0.label" in error.value.details()


def test_a_flood_is_turned_away_and_what_was_taken_is_kept(tmp_path: Path) -> None:
    threads, each = 2 * PLACES, 250
    with ready(write_models(tmp_path / "models"), tmp_path / "state") as server:
        together = threading.Barrier(threads)

        def flood(at: int) -> list[int]:
            labels = [
                {"prediction_id": made(server, 1 + at * each + one), "label": one % 2}
                for one in range(each)
            ]
            body, codes = json.dumps({"feedback": labels}).encode(), list[int]()
            together.wait()
            while 200 not in codes:
                status, told, said = post(server.http, body)
                codes.append(status)
                if status == 429:
                    assert said["retry-after"] == "1", told
                    time.sleep(1)  # noqa: TID251 - as the server says
                else:
                    assert (status, told["joined"]) == (200, each)
            return codes

        with ThreadPoolExecutor(threads + 1) as pool:
            flooding = [pool.submit(flood, at) for at in range(threads)]
            answered = call(server, 200, seed=1)
            codes = [code for one in flooding for code in one.result()]
        assert codes.count(200) == threads
        assert 429 in codes
        assert len(answered) == 200
        (version,) = server.get(f"{server.console}/api/feedback/m")[1]["versions"]
        assert (version["predictions"], version["right"]) == (threads * each, threads * each // 2)


def test_strangers_are_told_so_at_every_door(tmp_path: Path) -> None:
    models, state = write_models(tmp_path / "models"), tmp_path / "state"
    with ready(models, state, "--host", "0.0.0.0") as server:
        token = (state / "console-token").read_text().strip()
        one = {"prediction_id": made(server, 1), "label": 1}
        body = json.dumps({"feedback": [one]}).encode()
        for brought in ({}, {"Authorization": "Bearer x"}, {"Authorization": token}):
            for door in doors(server):
                status, told, said = post(door, body, **brought)
                assert (status, told) == (401, {"error": TOKEN_NEEDED})
                assert said["www-authenticate"] == "Bearer"
        with pytest.raises(grpc.RpcError) as error:
            send(server.grpc, [one | {"label": [1]}])
        found = error.value
        assert (found.code(), found.details()) == (grpc.StatusCode.UNAUTHENTICATED, TOKEN_NEEDED)
        assert send(server.grpc, [one | {"label": [1]}], token).joined == 1
        brought = {"Authorization": f"Bearer {token}"}
        assert post(server.http, body, **brought)[1]["twice"] == 1
        for folder, _, files in os.walk(state):
            for name in set(files) - {"console-token"}:
                assert token.encode() not in (Path(folder) / name).read_bytes(), name


def test_accuracy_is_exact_also_of_labels_that_come_to_the_gateway(tmp_path: Path) -> None:
    with ready(write_models(tmp_path / "models"), tmp_path / "state") as server:
        halve(server)
        answered = call(server, 300, seed=1)
        told = label(server, answered, seed=1, url=f"http://{server.http}")
    assert told.outcomes == told.expected["outcomes"]
    assert arms(told.shown) == told.expected["arms"]
