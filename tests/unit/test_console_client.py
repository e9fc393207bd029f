from collections.abc import Iterator
from email.message import Message
from io import BytesIO
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request

import pytest
from typer.testing import CliRunner

from headrace import __version__
from headrace.cli import console_client, waiting
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
    ("status", "server", "body", "kind", "said"),
    [
        (404, "", b'{"error": "Not Found"}', Unreachable, "http://h:1 is no console of headrace"),
        (404, "nginx", b"", Unreachable, r"should name it, http://127\.0\.0\.1:8003 if not moved"),
        (200, "", b"<html>", Unreachable, "http://h:1 is no console"),
        (404, "headrace", b'{"error": "/tmp is not what is"}', Refused, "/tmp is not what is"),
        (400, "", b'{"error": "limit should be"}', Refused, "limit should be"),
    ],
)
def test_who_is_no_console_is_called_so(
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    server: str,
    body: bytes,
    kind: type[HeadraceError],
    said: str,
) -> None:
    class Answer(BytesIO):
        headers = Message()

    def answer(*args: Any, **more: Any) -> Answer:
        if status != 200:
            headers = Message()
            headers["Server"] = server
            raise HTTPError("http://h:1", status, "", headers, BytesIO(body))
        return Answer(body)

    monkeypatch.setattr(console_client, "urlopen", answer)
    with pytest.raises(kind, match=said):
        console_client.get("http://h:1", "/api/status")


class Stream(BytesIO):
    """An answer that breaks off as it is said to."""

    headers = Message()

    def __init__(self, said: bytes, end: type[Exception] | None) -> None:
        super().__init__(said)
        self._end = end

    def __iter__(self) -> Iterator[bytes]:
        yield from iter(self.readline, b"")
        if self._end is not None:
            raise self._end


def test_events_are_followed_over_a_quiet_hour_and_to_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    streams: list[Stream | Exception] = [
        Stream(b'event: begin\nid: 1-4\ndata: {"missed": true}\n\n', TimeoutError),
        Stream(b"event: begin\nid: 1-4\ndata: {}\n\nevent: version\nid: 1-5\ndata: {}\n\n", None),
        URLError("connection refused"),
    ]
    resumed: list[str | None] = []

    def answer(request: Request, timeout: float) -> Stream:
        resumed.append(request.get_header("Last-event-id"))
        if isinstance(one := streams.pop(0), Exception):
            raise one
        return one

    monkeypatch.setattr(console_client, "urlopen", answer)
    events = console_client.follow("http://h:1")
    assert [next(events)[0] for _ in range(3)] == ["begin", "begin", "version"]
    with pytest.raises(Unreachable, match="nobody answers at"):
        next(events)
    assert resumed == ["", "1-4", "1-5"]


def test_who_tells_no_events_is_no_console(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console_client, "urlopen", lambda *_, **__: Stream(b"<html>\n", None))
    with pytest.raises(Unreachable, match="http://h:1 is no console"):
        next(console_client.follow("http://h:1"))


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


def test_a_load_that_swaps_waits_until_traffic_has_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"version": 2, "wanted": True, "state": "ready", "reason": "loaded"}]
    coming, asked = iter([100.0, None, None]), list[str]()
    moved = ("journal", {"model": "m"})
    monkeypatch.setattr(waiting, "follow", lambda _: iter([("begin", {}), moved, moved]))

    def get(_: str, path: str) -> Any:
        asked.append(path.partition("model=m")[2])
        return {"versions": [{**rows[0], "coming_percent": next(coming)}]}

    monkeypatch.setattr(waiting, "get", get)
    assert waiting.until_ready("http://h:1", "m", 2)
    assert asked == ["", "", "&moved=1"], "gateways have it, too"
    assert next(coming, "none is left") == "none is left"
