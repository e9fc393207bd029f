import io
import json
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.asking import ask
from tests.unit.desk import Desk
from tests.unit.test_requests import KEPT

from headrace.console.board import ModelStatus, Status, VersionStatus, as_json
from headrace.console.logbook import Logbook
from headrace.console.logfile import FILE, OLDER_FILES, find_error
from headrace.console.port_owner import owner_of
from headrace.errors import StateInvalid
from headrace.execution.voices import Line
from headrace.models.lifecycle import Standing, State


def status(*states: State, draining: str = "") -> Status:
    models = [
        ModelStatus(f"m{at}", [VersionStatus(1, Standing(state, "so it is"))])
        for at, state in enumerate(states)
    ]
    return Status("local", {"http": "127.0.0.1:8000"}, models, draining)


@pytest.mark.parametrize(
    ("given", "ready"),
    [
        (status(State.READY), True),
        (status(State.READY, State.READY), True),
        (status(State.READY, State.LOADING), False),
        (status(State.FAILED), False),
        (status(), False),
        (status(State.READY, draining="SIGTERM came"), False),
    ],
)
def test_a_server_is_ready_when_every_model_can_serve(given: Status, ready: bool) -> None:
    assert given.ready is ready


def test_a_failed_candidate_does_not_take_its_model_out() -> None:
    versions = [
        VersionStatus(1, Standing(State.READY, "ready")),
        VersionStatus(2, Standing(State.FAILED, "no weights")),
    ]
    assert Status("local", {}, [ModelStatus("m", versions)]).ready


class OneBoard:
    def __init__(self, given: Status) -> None:
        self.given = given

    def status(self) -> Status:
        return self.given

    def requests(self) -> list[dict[str, Any]]:
        return [KEPT]


@pytest.fixture
def logbook(tmp_path: Path) -> Any:
    book = Logbook(tmp_path / "logs", None)
    book.take(Line(1, "photos/1", "out", "loaded"))
    book.take(Line(2, "photos/2", "err", "Traceback: no", "e-ab"))
    book.take(Line(3, "photographs/1", "out", "other"))
    book.take_report(report("e-ab", "model_failed"))
    yield book
    book.close()


def report(error_id: str, kind: str) -> str:
    told = {"id": error_id, "unix_ms": 5, "kind": kind, "model": "photos", "version": 2}
    return json.dumps({**told, "note": f"it broke [error id {error_id}]"})


@pytest.mark.parametrize(
    ("method", "target", "code", "part"),
    [
        ("GET", "/api/health", 200, '"ready": true'),
        ("HEAD", "/api/health", 200, '"ready": true'),
        ("GET", "/api/status", 200, '"reason": "so it is"'),
        ("GET", "/api/status?x=1", 400, "unknown: 'x'; /api/status takes nothing"),
        ("GET", "/api/logs?model=photos", 200, "loaded"),
        ("GET", "/api/errors", 200, '"e-ab"'),
        ("GET", "/api/errors/e-ab", 200, "Traceback: no"),
        ("GET", "/api/errors/e-cd", 404, "no error 'e-cd'"),
        ("GET", "/api/errors/line", 404, "no error 'line'"),
        ("GET", "/api/errors/", 200, "errors"),
        ("GET", "/api/requests", 200, '"mine/1"'),
        ("GET", "/api/requests/12", 200, '"mine/1"'),
        ("GET", "/api/requests/mine%2F1", 200, '"mine/1"'),
        ("GET", "/api/requests/13", 404, "no request '13' is kept"),
        ("GET", "/api/nothing", 404, "no /api/nothing here"),
        ("GET", "/nothing", 404, "/api/openapi.json says what the console answers"),
        ("GET", "/api/logs?limit=many", 400, "limit should be a number"),
        ("GET", "/api/logs?after=x", 400, "after should be a number"),
        ("GET", "/api/logs?after=1&model=photos", 200, '"taken": 3'),
        ("POST", "/api/status", 405, "POST is not allowed"),
        ("DELETE", "/api/errors", 405, "DELETE is not allowed"),
    ],
)
def test_the_console_answers(
    logbook: Logbook, desk: Desk, method: str, target: str, code: int, part: str
) -> None:
    sources = replace(desk.sources, board=OneBoard(status(State.READY)), logbook=logbook)
    answer = ask(sources, method, target)
    assert answer.status == code
    assert part in json.dumps(answer.body)


def test_health_is_503_until_it_is_ready(desk: Desk) -> None:
    sources = replace(desk.sources, board=OneBoard(status(State.LOADING)))
    assert ask(sources, "GET", "/api/health").status == 503


@pytest.mark.parametrize("asked", ["/api/journal", "/api/feedback/m"])
def test_without_its_database_the_console_is_what_fails(desk: Desk, asked: str) -> None:
    (desk.folder / "control.sqlite").unlink()
    answer = ask(desk.sources, "GET", asked)
    assert (answer.status, "was taken away" in str(answer.body)) == (503, True)


def test_every_state_is_told_with_its_reason() -> None:
    body: Any = as_json(status(*State))
    told = {one["versions"][0]["state"] for one in body["models"]}
    assert told == {state.value for state in State}
    assert all(one["versions"][0]["reason"] for one in body["models"])


def test_lines_are_of_one_model_or_version(logbook: Logbook) -> None:
    assert [one["text"] for one in logbook.recent("photos", 9)[0]] == ["loaded", "Traceback: no"]
    assert [one["text"] for one in logbook.recent("photos/1", 9)[0]] == ["loaded"]
    assert [one["text"] for one in logbook.recent("", 1)[0]] == ["other"]


def test_lines_that_are_still_to_come_are_waited_for(logbook: Logbook) -> None:
    assert logbook.recent("", 1)[1] == 3
    lines, taken = logbook.since("photos", 1, 0)
    assert ([one["text"] for one in lines], taken) == (["Traceback: no"], 3)
    assert logbook.since("", 3, 0) == ([], 3)
    later = threading.Timer(0, logbook.take, (Line(4, "photos/1", "out", "late"),))
    later.start()
    lines, taken = logbook.since("", 3, 10)
    later.join()
    assert ([one["text"] for one in lines], taken) == (["late"], 4)
    # A server that was started anew has fewer lines than were seen of the last one.
    assert logbook.since("", 99, 0) == ([], 4)


def test_an_error_joins_what_callers_were_told_and_what_was_logged(logbook: Logbook) -> None:
    logbook.take_report(report("e-ab", "model_failed"))
    error = logbook.error("e-ab")
    assert error is not None
    assert error["callers"] == 2
    assert error["note"] == "it broke [error id e-ab]"
    assert error["log"] == "Traceback: no"


def test_an_error_of_an_earlier_run_is_found_in_the_files(logbook: Logbook) -> None:
    logbook.close()
    later = Logbook(logbook.path.parent, None)
    error = later.error("e-ab")
    later.close()
    assert error is not None
    assert (error["kind"], error["log"]) == ("model_failed", "Traceback: no")


def test_the_terminal_shows_lines_with_a_prefix_and_only_alarming_errors(tmp_path: Path) -> None:
    terminal = io.StringIO()
    book = Logbook(tmp_path, terminal)
    book.take(Line(1, "photos/1", "err", "one\ntwo"))
    book.take_report(report("e-1", "expired"))
    book.take_report(report("e-2", "internal"))
    book.take_report(report("e-2", "internal"))
    book.close()
    assert terminal.getvalue() == (
        "photos/1 | one\nphotos/1 | two\nheadrace | it broke [error id e-2]\n"
    )


def test_the_files_are_bounded_and_the_newest_lines_are_kept(tmp_path: Path) -> None:
    book = Logbook(tmp_path, None, most_bytes=2000)
    for at in range(200):
        book.take(Line(at, "m/1", "err", f"line {at}", f"e-{at:03}"))
    book.close()
    files = sorted(tmp_path.iterdir())
    assert len(files) == OLDER_FILES + 1
    assert all(file.stat().st_size <= 2000 for file in files)
    assert find_error(tmp_path / FILE, "e-199") is not None
    assert find_error(tmp_path / FILE, "e-000") is None


def test_a_state_folder_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(StateInvalid, match="cannot keep a log at"):
        Logbook(tmp_path / "state" / "logs", None)


def test_a_torn_last_line_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"line": {"error": "e-1", "text')
    assert find_error(tmp_path / FILE, "e-1") is None


@pytest.mark.parametrize(
    "junk",
    [
        '"e-1"',
        '["e-1"]',
        '{"line": "e-1"}',
        '{"line": {"error": "e-1"}}',
        '{"line": {"error": "e-1", "text": 1, "speaker": []}}',
        '{"error": "e-1"}',
        '{"error": {"name": "e-1"}}',
        "[" * 100_000 + '"e-1"',
        '{"a":' * 100_000 + '"e-1"',
        '{"e-1": ' + "9" * 5000 + "}",
        "e-1 \x1b\x00",
    ],
    ids=lambda text: text[:40],
)
def test_junk_in_the_log_is_passed_over(tmp_path: Path, junk: str) -> None:
    good = json.dumps({"line": {"error": "e-1", "text": "so it was", "speaker": "m/1"}})
    (tmp_path / FILE).write_text(f"{junk}\n{good}\n{junk}\n")
    assert find_error(tmp_path / FILE, "e-1") == {"id": "e-1", "log": "so it was", "speaker": "m/1"}


@pytest.mark.parametrize("number", [0, 1])
def test_a_pipe_instead_of_a_log_is_refused_and_searched_by_nobody(
    tmp_path: Path, number: int
) -> None:
    os.mkfifo(tmp_path / (f"{FILE}.{number}" if number else FILE))
    if number == 0:
        with pytest.raises(StateInvalid, match="is a pipe, a device or a folder, and should be a"):
            Logbook(tmp_path, None)
        (tmp_path / FILE).unlink()
        (tmp_path / FILE).symlink_to("/dev/null")
        with pytest.raises(StateInvalid, match="is a pipe, a device or a folder, and should be a"):
            Logbook(tmp_path, None)
    assert find_error(tmp_path / FILE, "e-1") is None


def test_a_terminal_is_shown_no_sequence_of_a_model(tmp_path: Path) -> None:
    terminal = io.StringIO()
    book = Logbook(tmp_path, terminal)
    book.take(Line(1, "m/1", "out", "\x1b[2Jgone\tü\x07\x9b\rnew"))
    book.close()
    assert terminal.getvalue() == "m/1 | \\x1b[2Jgone\tü\\x07\\x9b\\x0dnew\n"


def test_a_taken_port_names_its_owner(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    row = "0: 0100007F:1F40 00000000:0000 {state} 0:0 00:0 0 0 0 4711 1"
    header = "  sl  local_address rem_address st\n"
    (tmp_path / "net" / "tcp").write_text(header + row.format(state="0A") + "\n")
    (tmp_path / "77" / "fd").mkdir(parents=True)
    (tmp_path / "77" / "comm").write_text("tritonserver\n")
    assert owner_of(8000, tmp_path) == " (held by a process of another user)"
    (tmp_path / "77" / "fd" / "3").symlink_to("socket:[4711]")
    assert owner_of(8000, tmp_path) == " (held by tritonserver, process 77)"
    assert owner_of(8001, tmp_path) == ""
    (tmp_path / "net" / "tcp").write_text(header + row.format(state="01") + "\n")
    assert owner_of(8000, tmp_path) == ""


class Interrupted:
    """A lock that lets another thread have its turn each time that it is given back."""

    def __init__(self, turn: Any) -> None:
        self._turn = turn

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None:
        if turn := self._turn:
            self._turn = None
            turn()


def test_who_follows_the_log_sees_each_line_once(tmp_path: Path, desk: Desk) -> None:
    book = Logbook(tmp_path / "logs", None)
    book.take(Line(1, "m/1", "out", "one"))
    interrupted: Any = Interrupted(lambda: book._lines.append(Line(2, "m/1", "out", "two")))
    book._lock = interrupted
    answer = ask(replace(desk.sources, logbook=book), "GET", "/api/logs")
    assert [one["text"] for one in answer.body["lines"]] == ["one"]
    assert answer.body["taken"] == 1
    book.close()
