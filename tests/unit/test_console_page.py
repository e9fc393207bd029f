"""The console's page: its files, what browsers are told of them, and who may ask."""

import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
from tests.unit.asking import ask
from tests.unit.desk import Desk

from headrace.console.logbook import Logbook
from headrace.console.webpage import FILES, may_ask, page_file
from headrace.models.lifecycle import State

PAGE = files("headrace.console") / "page"


def test_every_file_of_the_page_is_served_and_none_else() -> None:
    assert {name for name, _ in FILES.values()} == {one.name for one in PAGE.iterdir()}


@pytest.mark.parametrize("path", sorted(FILES))
def test_the_page_names_only_what_is_served(path: str) -> None:
    text = page_file(path).content.decode()
    named = re.findall(r'(?:src|href)="(/[^"]*)"', text) + [
        f"/{one}" for one in re.findall(r'from "\./([^"]+)"', text)
    ]
    assert set(named) <= set(FILES)
    assert "://" not in text, "nothing comes from elsewhere"
    assert "<style" not in text
    assert not re.search(r"innerHTML\s*=[^=]|insertAdjacent|document\.write|outerHTML", text)


@pytest.mark.parametrize(
    ("method", "target", "found"),
    [
        ("GET", "/", True),
        ("HEAD", "/", True),
        ("GET", "/?x=1", True),
        ("GET", "/main.js", True),
        ("POST", "/", False),
        ("GET", "/main.js/", False),
        ("GET", "/page/main.js", False),
        ("GET", "/../server.py", False),
        ("GET", "/%2e%2e/server.py", False),
        ("GET", "/index.html", False),
        ("GET", "/" + "x" * 60_000, False),
    ],
)
def test_a_request_gets_a_file_of_the_page_or_none(
    desk: Desk, method: str, target: str, found: bool
) -> None:
    assert (ask(desk.sources, method, target).status == 200) is found


@pytest.mark.parametrize(
    ("listens_on", "header", "may"),
    [
        ("127.0.0.1", "127.0.0.1:8003", True),
        ("127.0.0.1", "localhost:8003", True),
        ("127.0.0.1", "LOCALHOST", True),
        ("127.0.0.1", "[::1]:8003", True),
        ("::1", "[::1]:8003", True),
        ("localhost", "localhost:8003", True),
        ("127.0.0.1", None, True),
        ("127.0.0.1", "evil.example:8003", False),
        ("127.0.0.1", "localhost.evil.example", False),
        ("127.0.0.1", "127.0.0.1.evil.example", False),
        ("127.0.0.1", "localhost@evil.example", False),
        ("127.0.0.1", "192.168.0.7:8003", False),
        ("127.0.0.1", "[::1", False),
        ("127.0.0.1", "", False),
        ("localhost", "evil.example", False),
        ("0.0.0.0", "server.example:8003", True),
        ("::", "evil.example", True),
    ],
)
def test_on_a_loopback_address_a_request_has_to_name_one(
    listens_on: str, header: str | None, may: bool
) -> None:
    assert may_ask(listens_on, header) is may


def test_the_page_is_sent_with_a_policy_that_lets_nothing_else_run(desk: Desk) -> None:
    sent = ask(desk.sources, "GET", "/", host="127.0.0.1:8003")
    assert (sent.status, sent.content[:15]) == (200, b"<!doctype html>")
    assert sent.headers["content-security-policy"].startswith("default-src 'self';")
    assert "unsafe" not in sent.headers["content-security-policy"]
    assert sent.headers["x-content-type-options"] == "nosniff"
    sent = ask(desk.sources, "GET", "/main.js")
    assert (sent.status, sent.headers["content-type"]) == (200, "text/javascript; charset=utf-8")


@pytest.mark.parametrize(
    ("host", "status"), [("evil.example:8003", 403), ("127.0.0.1:8003", 200), ("localhost", 200)]
)
def test_a_name_that_was_pointed_here_changes_nothing(
    tmp_path: Path, logbook: Logbook, host: str, status: int
) -> None:
    desk = Desk(tmp_path, logbook, m=[1, 2])
    try:
        desk.stand(m={1: State.READY, 2: State.READY})
        before = desk.carried
        target = "/api/unload?model=m&version=1"
        sent = ask(desk.sources, "POST", target, host=host, client="console page")
        assert sent.status == status
        assert (desk.carried == before) is (status == 403)
    finally:
        desk.close()


@pytest.mark.parametrize("target", ["/", "/api/status", "/api/nothing"])
def test_a_name_that_was_pointed_here_reads_nothing(desk: Desk, target: str) -> None:
    sent = ask(desk.sources, "GET", target, host="evil.example:8003")
    assert sent.status == 403
    assert "not 'evil.example:8003'" in sent.body["error"]


@pytest.fixture
def logbook(tmp_path: Path) -> Iterator[Logbook]:
    book = Logbook(tmp_path / "logs", None)
    yield book
    book.close()
