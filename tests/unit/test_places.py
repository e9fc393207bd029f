"""What a run takes before Ray starts, and that nothing of it stays when something is refused."""

import os
import socket
import tempfile
from pathlib import Path
from typing import Any

import pytest

from headrace.config.options import ServeOptions
from headrace.console.state import StateInUse
from headrace.errors import HeadraceError, PortTaken, StateInvalid
from headrace.execution import threads
from headrace.repository.folder import Found
from headrace.repository.sourced import Reach
from headrace.serve import launch, sink
from headrace.serve.places import Places, claim, ray_environment, release


def refuse(*_: Any, **__: Any) -> Any:
    raise OSError(28, "No space left on device")


def test_a_state_folder_is_one_runs_until_it_is_released(tmp_path: Path) -> None:
    places = claim(tmp_path)
    with pytest.raises(StateInUse, match="give this one another folder"):
        claim(tmp_path)
    assert places.token.stat().st_mode & 0o077 == 0
    assert Path(ray_environment(places)["RAY_gcs_storage_path"]).is_dir()
    release(places)
    assert not places.sockets.exists()
    release(claim(tmp_path))


def test_a_run_removes_the_sockets_of_one_that_could_not(tmp_path: Path) -> None:
    killed = claim(tmp_path / "state")
    os.close(killed.lock)
    other = tmp_path / "not-ours"
    other.mkdir()
    release(claim(tmp_path / "state"))
    assert not killed.sockets.exists()
    link = tmp_path / "state" / "headrace-ray" / "sockets"
    link.unlink()
    link.symlink_to(other)
    release(claim(tmp_path / "state"))
    assert other.exists(), "whoever wrote that link, it names no folder of sockets"


def test_a_state_folder_that_cannot_be_emptied_is_refused_and_let_go(tmp_path: Path) -> None:
    (tmp_path / "headrace-ray").write_text("a file, of all things")
    for _ in range(2):
        with pytest.raises(StateInvalid, match=r"headrace-ray: File exists.*--state"):
            claim(tmp_path)


def test_without_a_place_for_sockets_it_is_said_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "mkdtemp", refuse)
        with pytest.raises(StateInvalid, match="set XDG_RUNTIME_DIR"):
            claim(tmp_path)
    release(claim(tmp_path))


@pytest.mark.parametrize("part", ["Logbook", "Console", "Sink"])
def test_a_run_that_is_refused_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    claimed: list[Places] = []

    def keep(state: Path) -> Places:
        claimed.append(claim(state))
        return claimed[-1]

    def taken(*_: Any) -> Any:
        raise PortTaken("cannot listen")

    class Console:
        def __init__(self, *_: Any) -> None: ...

        def close(self) -> None: ...

    monkeypatch.setattr(launch, "claim", keep)
    monkeypatch.setattr(launch, "Console", Console)
    monkeypatch.setattr(threads, "tell_libraries", lambda *_: None)
    monkeypatch.setattr(launch, part, taken)
    reach, nothing = Reach(tmp_path, print), Found([], {})
    with pytest.raises(PortTaken):
        launch._serve(ServeOptions(tmp_path, state=tmp_path / "state"), reach, nothing, None)
    assert [one.sockets.exists() for one in claimed] == [False]


def test_a_folder_that_takes_no_socket_is_an_error_with_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Socket:
        bind = staticmethod(refuse)

        def close(self) -> None: ...

    monkeypatch.setattr(socket, "socket", lambda *_: Socket())
    with pytest.raises(HeadraceError, match="No space left on device; set XDG_RUNTIME_DIR"):
        sink.Sink(tmp_path / "log", refuse, refuse)
