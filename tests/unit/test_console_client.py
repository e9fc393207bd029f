from email.message import Message
from io import BytesIO
from typing import Any
from urllib.error import HTTPError

import pytest
from typer.testing import CliRunner

from headrace import __version__
from headrace.cli import console_client
from headrace.cli.commands import app
from headrace.errors import HeadraceError, Refused, Unreachable


@pytest.mark.parametrize(
    "url",
    [
        *("nonsense", "", "http://", "file:///etc/passwd", "127.0.0.1:8003", "localhost:8003"),
        *("http://a b", "http://[::1", "http://127.0.0.1:x", "http://127.0.0.1:99999"),
        *("http://127.0.0.1:8003\n", "http://127.0.0.1:0"),
    ],
)
def test_an_address_that_is_none_is_refused_with_one_that_is(url: str) -> None:
    with pytest.raises(Unreachable, match=r"like http://127\.0\.0\.1:8003, .*, not '"):
        console_client.get(url, "/api/status")


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (404, b'{"error": "Not Found"}', Unreachable, "http://h:1 is no console of headrace"),
        (404, b"", Unreachable, r"should name it, http://127\.0\.0\.1:8003 if not moved"),
        (200, b"<html>", Unreachable, "http://h:1 is no console"),
        (404, b'{"error": "no error \'e-1\' in the log"}', Refused, "no error 'e-1' in the log"),
        (400, b'{"error": "limit should be"}', Refused, "limit should be"),
    ],
)
def test_who_is_no_console_is_called_so(
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    body: bytes,
    kind: type[HeadraceError],
    said: str,
) -> None:
    class Answer(BytesIO):
        headers = Message()

    def answer(*args: Any, **more: Any) -> Answer:
        if status != 200:
            raise HTTPError("http://h:1", status, "", Message(), BytesIO(body))
        return Answer(body)

    monkeypatch.setattr(console_client, "urlopen", answer)
    with pytest.raises(kind, match=said):
        console_client.get("http://h:1", "/api/status")


def test_a_name_that_the_log_does_not_know_is_answered_with_those_it_knows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = {"unix_ms": 0, "speaker": "headrace", "text": "ready"}
    models = [{"name": "photos", "versions": [{"version": 1}]}, {"name": "quiet", "versions": []}]

    def answer(url: str, path: str) -> Any:
        if path == "/api/status":
            return {"models": models}
        return {"lines": [] if "model=" in path else [line], "taken": 0}

    monkeypatch.setattr(console_client, "get", answer)
    unknown = CliRunner().invoke(app, ["logs", "photo"])
    assert isinstance(unknown.exception, HeadraceError)
    known = "the log knows no 'photo'; it knows headrace, photos, photos/1, quiet"
    assert str(unknown.exception) == known
    for name in ("quiet", "photos/1", ""):
        assert CliRunner().invoke(app, ["logs", name]).exit_code == 0


def test_the_version_is_told() -> None:
    told = CliRunner().invoke(app, ["--version"])
    assert (told.exit_code, told.output) == (0, f"headrace {__version__}\n")
