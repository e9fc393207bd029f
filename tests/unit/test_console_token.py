"""The token of a console that listens beyond its machine."""

import os
from pathlib import Path
from typing import Any
from urllib.request import Request

import pytest
from tests.unit.asking import ask
from tests.unit.desk import Desk

from headrace.cli import console_client
from headrace.config.options import ServeOptions
from headrace.console.token import FILE, Token, token_for
from headrace.console.webpage import FILES
from headrace.errors import HeadraceError, StateInvalid

TOKEN = Token(Path("console-token"), "t" * 43)
OUTSIDE = "0.0.0.0"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_loopback_address_needs_none(tmp_path: Path, host: str) -> None:
    assert token_for(host, tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_gateways_know_a_token_by_its_digest() -> None:
    told = ServeOptions(Path(), host="::").gateway(1, 0, b"", TOKEN.text)
    assert (told["labels"]["console"], len(told["labels"]["token_sha256"])) == ("[::]:8003", 43)
    assert TOKEN.text not in str(told)
    none = ServeOptions(Path()).gateway(1, 0, b"")["labels"]
    assert none == {"console": "127.0.0.1:8003", "token_sha256": None}


@pytest.mark.parametrize("host", [OUTSIDE, "::", "10.0.0.1", "server.example"])
def test_any_other_has_one_that_only_its_user_reads(tmp_path: Path, host: str) -> None:
    token = token_for(host, tmp_path)
    assert token is not None
    file = tmp_path / FILE
    assert token.file == file
    assert (file.stat().st_mode & 0o777, file.read_text()) == (0o600, f"{token.text}\n")
    assert len(token.text) >= 43
    assert token.text not in repr(token)
    assert token_for(host, tmp_path) == token, "clients have it"
    assert [one.name for one in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize(("text", "mode"), [("", 0o600), ("short\n", 0o600), ("t" * 43, 0o644)])
def test_one_that_others_may_know_is_made_anew(tmp_path: Path, text: str, mode: int) -> None:
    file = tmp_path / FILE
    file.write_text(text)
    file.chmod(mode)
    token = token_for(OUTSIDE, tmp_path)
    assert token is not None
    assert token.text not in ("", text.strip())
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), os.mkdir])
def test_what_is_no_file_of_ours_is_refused(tmp_path: Path, make: Any) -> None:
    make(tmp_path / FILE)
    with pytest.raises(StateInvalid, match=r"no file of this user|symbolic links"):
        token_for(OUTSIDE, tmp_path)


@pytest.mark.parametrize("header", [f"Bearer {TOKEN.text}", f"bearer {TOKEN.text}"])
def test_who_brings_it_is_answered(desk: Desk, header: str) -> None:
    sent = ask(
        desk.sources,
        "GET",
        "/api/status",
        listens_on=OUTSIDE,
        token=TOKEN,
        host="server.example:8003",
        authorization=header,
    )
    assert sent.status == 200


@pytest.mark.parametrize(
    "header",
    [
        *(None, "", "Bearer", "Bearer ", f"Basic {TOKEN.text}", TOKEN.text),
        *(f"Bearer {TOKEN.text[1:]}", f"Bearer {TOKEN.text}t", f"Bearer  {TOKEN.text}", "Bearer ü"),
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", "/api/status"), ("GET", "/api/events"), ("GET", "/api/openapi.json")),
        *(("POST", "/api/unload?model=m"), ("GET", "/api/nothing"), ("GET", "/api/health/x")),
    ],
)
def test_who_does_not_bring_it_reads_and_changes_nothing(
    desk: Desk, method: str, path: str, header: str | None
) -> None:
    sent = ask(
        desk.sources,
        method,
        path,
        listens_on=OUTSIDE,
        token=TOKEN,
        authorization=header,
        client="me",
    )
    assert (sent.status, sent.headers["www-authenticate"]) == (401, "Bearer")
    assert "HEADRACE_TOKEN" in sent.body["error"]
    assert TOKEN.text not in sent.body["error"]


@pytest.mark.parametrize("path", ["/api/health", *FILES])
def test_health_and_the_page_need_none(desk: Desk, path: str) -> None:
    sent = ask(desk.sources, "GET", path, listens_on=OUTSIDE, token=TOKEN)
    assert sent.status == (503 if path == "/api/health" else 200)


def test_commands_send_it_to_the_console_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Request] = []

    def answer(request: Request, timeout: float) -> Any:
        asked.append(request)
        raise OSError("nobody")

    monkeypatch.setattr(console_client, "urlopen", answer)
    monkeypatch.setenv("HEADRACE_TOKEN", TOKEN.text)
    with pytest.raises(HeadraceError):
        console_client.get("http://h:1", "/api/status")
    with pytest.raises(HeadraceError):
        console_client.post("http://h:1", "/api/apply")
    with pytest.raises(HeadraceError):
        next(console_client.follow("http://h:1"))
    sent = [one.unredirected_hdrs.get("Authorization") for one in asked]
    assert sent == [f"Bearer {TOKEN.text}"] * 3
    with pytest.raises(HeadraceError):
        console_client.send(Request("http://h:1/v2/models/m/infer"))
    assert not asked[-1].has_header("Authorization")


def test_what_is_no_token_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_TOKEN", "sec\nret")
    with pytest.raises(HeadraceError, match="HEADRACE_TOKEN is no token") as told:
        console_client.get("http://h:1", "/api/status")
    assert "sec\nret" not in str(told.value)
