import json
from pathlib import Path
from typing import Any
from urllib.request import Request

import pytest

from headrace.cli import inferring
from headrace.errors import Refused

PICTURE = {"name": "image", "datatype": "BYTES", "shape": [-1, 1]}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """A server of one model, which refuses whatever it is sent."""
    requests: list[Request] = []

    def send(request: Request) -> tuple[bytes, dict[str, str]]:
        if request.get_method() == "GET":
            return json.dumps({"inputs": [PICTURE], "outputs": []}).encode(), {}
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
        inferring.infer("http://h:2", "photos", None, show=None, as_json=False)
    assert (sent[0].data, sent[0].get_header("Content-type")) == (b"a cat", "image/jpeg")
    shown = inferring.infer("http://h:2", "photos", None, show="curl", as_json=False)
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
        inferring.infer("http://h:2", "photos", None, show=None, as_json=False)
    assert b"headrace" in sent[0].data


def test_a_program_says_what_it_needs(sent: list[Any]) -> None:
    program = inferring.infer("http://h:2", "photos", None, show="python", as_json=False)
    assert program.splitlines()[0] == '# pip install "tritonclient[http]"'
