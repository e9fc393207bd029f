import io
import json
from http.client import IncompleteRead
from pathlib import Path
from typing import Any
from urllib.request import Request

import numpy as np
import pytest

from headrace.cli import console_client, exchange, inferring
from headrace.errors import Refused, Unreachable
from headrace.execution.payload import Payload, PayloadInvalid
from headrace.models import Tensor

X = Tensor("x", "FP32", [1])
PICTURE = {"name": "image", "datatype": "BYTES", "shape": [-1, 1]}


def called(url: str, model: str, file: Path | None, **how: Any) -> str:
    return "\n".join(inferring.infer(url, model, file, **how))


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """A server of one model, which refuses whatever it is sent."""
    requests: list[Request] = []

    def send(request: Request) -> tuple[bytes, dict[str, str]]:
        if request.get_method() == "GET":
            told: Any = {"inputs": [PICTURE], "outputs": []}
            if request.full_url.endswith("/config"):
                told = {"model_transaction_policy": {"decoupled": False}}
            return json.dumps(told).encode(), {}
        requests.append(request)
        raise Refused(400, "no picture: 6865")

    status = {"addresses": {"http": "h:1"}}
    monkeypatch.setattr(inferring, "get", lambda url, path: status)
    monkeypatch.setattr(inferring, "send", send)
    return requests


@pytest.mark.parametrize(
    ("models", "here"), [("examples/photos", ""), ("photos", ""), ("photos", "photos")]
)
def test_a_model_of_pictures_gets_the_one_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: list[Request], models: str, here: str
) -> None:
    folder = tmp_path / models
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "model.py").touch()
    (folder / "cat.jpg").write_bytes(b"a cat")
    monkeypatch.chdir(tmp_path / here)
    with pytest.raises(Refused, match=r"no picture: 6865 \(HTTP 400\)$"):
        called("http://h:2", "photos", None, show=None, as_json=False)
    assert (sent[0].data, sent[0].get_header("Content-type")) == (b"a cat", "image/jpeg")
    shown = called("http://h:2", "photos", None, show="curl", as_json=False)
    assert str(folder / "cat.jpg") in shown


def test_made_up_values_that_are_refused_are_called_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: list[Any]
) -> None:
    # A folder that only bears the name is no model.
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        Refused, match=r"6865; the values were made up: name a file \(\.jpg, .*infer photos FILE`"
    ):
        called("http://h:2", "photos", None, show=None, as_json=False)
    assert b"headrace" in sent[0].data


def test_a_program_says_what_it_needs(sent: list[Any]) -> None:
    program = called("http://h:2", "photos", None, show="python", as_json=False)
    assert program.splitlines()[0] == '# pip install "tritonclient[http]"'


def test_a_line_of_an_event_stream_is_a_part_nothing_or_the_end() -> None:
    part = {"model_name": "m", "model_version": "1", "error": 4}
    assert exchange.part(b"data: " + json.dumps(part).encode() + b"\n") == part, "an output's name"
    assert [exchange.part(line) for line in (b"\n", b": ping\n", b"id: 1\n")] == [None] * 3
    with pytest.raises(exchange.Broken, match="no weights"):
        exchange.part(b'data: {"error":"no weights"}\n')


@pytest.mark.parametrize(
    ("given", "tensor", "said"),
    [
        (Payload(Path("x.json"), arrays={"x": np.ones((2, 1))}), X, "x.json has 2 rows"),
        (Payload(Path("a.png"), "image/png"), X, "a.png is a picture"),
        (Payload(None, arrays={"x": np.ones((1, 1))}), Tensor("x", "FP16", [1]), "'x' is FP16"),
    ],
)
def test_what_goes_in_no_event_stream_is_told_before(
    given: Payload, tensor: Tensor, said: str
) -> None:
    with pytest.raises(PayloadInvalid, match=f"{said}.* `--show python` prints a client for gRPC"):
        exchange.call_for_parts("h:1", "models/m", given, [tensor], [])


def test_a_row_goes_over_in_any_nesting() -> None:
    arrays = {
        "a": np.array([[[1, 2], [3, 4]]]),
        "b": np.array([[b"\xc3\xa9", "x"]], object),
        "c": np.array([5.5]),
    }
    call = exchange.call_for_parts("h:1", "models/m", Payload(None, arrays=arrays), [], [])
    assert json.loads(call.body) == {"a": [[1, 2], [3, 4]], "b": ["é", "x"], "c": 5.5}
    assert call.url == "http://h:1/v2/models/m/generate_stream"


def test_an_answer_that_breaks_off_is_no_whole_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class Torn(io.BytesIO):
        def __next__(self) -> bytes:
            return super().__next__() if not self.tell() else self.fail()

        def fail(self) -> bytes:
            raise IncompleteRead(b"")

    monkeypatch.setattr(console_client, "urlopen", lambda *_, **__: Torn(b"one\ntwo\n"))
    lines = console_client.read_lines(Request("http://h:1/x"))
    assert next(lines) == b"one\n"
    with pytest.raises(Unreachable, match="broke off before its end"):
        next(lines)
