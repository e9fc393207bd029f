import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from PIL import Image

from headrace.config.schema import ModelConfig
from headrace.console.board import ModelStatus, Status, VersionStatus, loading, unfinished
from headrace.console.greeting import greeting
from headrace.console.request import curl, curl_for_parts, image_in, json_body
from headrace.execution.policy import WHOLE, Epoch, shares, table
from headrace.models import Tensor
from headrace.models.lifecycle import Standing, State

READY, LOADING, FAILED, GONE = State.READY, State.LOADING, State.FAILED, State.GONE


def stand(states: Mapping[int, State]) -> dict[int, Standing]:
    return {version: Standing(state, "so it is") for version, state in states.items()}


@pytest.mark.parametrize(
    ("states", "chosen"),
    [
        ({1: READY}, 1),
        ({1: READY, 2: READY}, 2),
        ({1: READY, 2: LOADING}, 1),
        ({1: READY, 2: FAILED}, 1),
        ({1: LOADING, 2: LOADING}, 2),
        ({1: LOADING, 2: FAILED}, 1),
        ({9: READY, 10: READY}, 10),
        ({1: FAILED}, 1),
    ],
)
def test_requests_that_name_no_version_go_to_the_highest_that_serves(
    states: Mapping[int, State], chosen: int
) -> None:
    assert shares(stand(states)) == {
        version: WHOLE if version == chosen else 0 for version in states
    }


def test_the_table_says_what_the_core_reads() -> None:
    models = {"a": stand({1: READY, 2: FAILED, 3: GONE}), "b": stand({1: GONE})}
    assert json.loads(table(Epoch(1, 7), models)) == {
        "epoch": {"term": 1, "sequence": 7},
        "models": {
            "a": {
                "versions": [
                    {"version": 1, "state": "READY", "reason": ""},
                    {"version": 2, "state": "UNAVAILABLE", "reason": "so it is"},
                ],
                "weights": [{"version": 1, "share": 10000}],
                "rules": [],
                "sticky": None,
                "shadows": [],
            }
        },
    }


def test_a_line_for_the_shell_is_a_whole_request(tmp_path: Path) -> None:
    inputs = [Tensor("x", "INT32", [2]), Tensor("s", "BYTES", [1])]
    line = curl("h:1", "m", inputs, image=None, scratch=tmp_path)
    assert line.startswith("curl -s http://h:1/v2/models/m/infer -d '{")
    assert json.loads(line.split("'")[1]) == json_body(inputs)
    assert not list(tmp_path.iterdir())


def test_a_long_body_goes_into_a_file(tmp_path: Path) -> None:
    inputs = [Tensor("x", "FP32", [3, 10, 10])]
    line = curl("h:1", "m", inputs, image=None, scratch=tmp_path / "new")
    path = tmp_path / "new" / "m.json"
    assert line.endswith(f"-d @{path}")
    assert json.loads(path.read_text())["inputs"][0]["shape"] == [1, 3, 10, 10]


def test_a_model_that_answers_in_parts_is_asked_for_them() -> None:
    inputs = [
        Tensor("prompt", "INT64", [-1]),
        Tensor("most", "INT64", [1]),
        Tensor("text", "BYTES", []),
        Tensor("pairs", "INT8", [2, 2]),
    ]
    line = curl_for_parts("h:1", "m", inputs)
    assert line.startswith("curl -sN http://h:1/v2/models/m/generate_stream -d '{")
    body = {"prompt": [0, 1, 2, 3], "most": 4, "text": "headrace", "pairs": [[0, 1], [2, 3]]}
    assert json.loads(line.split("'")[1]) == body


def test_a_picture_is_sent_to_who_takes_one(tmp_path: Path) -> None:
    assert image_in(tmp_path) is None
    (tmp_path / "1").mkdir()
    picture = tmp_path / "a cat.jpg"
    picture.write_bytes(b"")
    (tmp_path / "1" / "dog.png").write_bytes(b"")
    assert image_in(tmp_path) in (picture, tmp_path / "1" / "dog.png")
    line = curl("h:1", "m", [Tensor("i", "BYTES", [1])], image=picture, scratch=tmp_path)
    assert line.endswith(f"-H 'Content-Type: image/jpeg' --data-binary @'{picture}'")
    text = curl("h:1", "m", [Tensor("x", "FP32", [1])], image=picture, scratch=tmp_path)
    assert "image" not in text


def test_the_greeting_says_where_and_what_and_shows_a_request(tmp_path: Path) -> None:
    versions = [VersionStatus(1, Standing(READY, "ready in 0.1 s"))]
    failed = [VersionStatus(3, Standing(FAILED, "no weights"))]
    status = Status(
        "local",
        {"http": "0.0.0.0:9000", "grpc": "0.0.0.0:9001", "console": "0.0.0.0:9003"},
        [ModelStatus("bad", failed), ModelStatus("good", versions)],
    )
    text = greeting(status, {"good": [Tensor("x", "FP32", [1])]}, {"good": tmp_path}, tmp_path)
    assert "bad/3: failed, no weights" in text
    assert "listening: HTTP 0.0.0.0:9000, gRPC 0.0.0.0:9001, console 0.0.0.0:9003" in text
    assert "curl -s http://127.0.0.1:9000/v2/models/good/infer" in text


def test_a_model_whose_steps_read_pictures_is_shown_with_one(tmp_path: Path) -> None:
    steps = {"input": "file", "output": "pixels", "height": 2, "width": 2}
    config = ModelConfig.model_validate({"preprocess": [{"preprocess_images": steps}]})
    served = status(ModelStatus("m", [VersionStatus(1, Standing(READY, "loaded"))]))
    inputs = {"m": [Tensor("file", "BYTES", [1])]}
    text = greeting(served, inputs, {"m": tmp_path / "m"}, tmp_path / "new", {"m": config})
    file = tmp_path / "new" / "pixel.png"
    assert f"-H 'Content-Type: image/png' --data-binary @{file}" in text
    with Image.open(file) as picture:
        picture.load()
        assert picture.size == (1, 1)


def status(*models: ModelStatus) -> Status:
    return Status("local", {"http": "h:1"}, list(models))


def test_a_server_that_is_not_ready_does_not_say_it_is(tmp_path: Path) -> None:
    works = ModelStatus("works", [VersionStatus(1, Standing(READY, "loaded"))])
    half = ModelStatus(
        "half",
        [VersionStatus(1, Standing(READY, "loaded")), VersionStatus(2, Standing(FAILED, "no"))],
    )
    bad = ModelStatus("bad", [VersionStatus(1, Standing(FAILED, "no weights"))])

    def headline(*models: ModelStatus) -> str:
        return greeting(status(*models), {}, {}, tmp_path).splitlines()[0]

    assert headline(works, half) == "headrace is ready"
    assert headline(works, bad) == (
        "headrace serves 1 of 2 models and is not ready: bad failed, and /v2/health/ready "
        "answers 503"
    )


def test_what_a_server_waits_for_is_named() -> None:
    loads = VersionStatus(2, Standing(State.LOADING, "/m/b/2"), for_s=31.2)
    busy = VersionStatus(1, Standing(READY, "loaded"), waiting=3, in_flight=1)
    found = status(ModelStatus("a", [busy]), ModelStatus("b", [loads]))
    assert loading(found) == ["b/2 has been loading for 31 s: /m/b/2"]
    told = unfinished(found, 30)
    assert told == "not everything was finished within 30 s: a/1 (3 waiting, 1 running)"
