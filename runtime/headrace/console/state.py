"""The state folder: one server's at a time."""

import contextlib
import fcntl
import os
from pathlib import Path

from headrace.errors import HeadraceError, StateInvalid


class StateInUse(HeadraceError):
    """Another run holds the state folder."""


def take(state: Path) -> int:
    """Make the folder, take it for this process, and return the open lock file.

    Raises:
        StateInUse: another process has it; the message names that process.
        StateInvalid: it cannot be made or written.
    """
    try:
        state.mkdir(parents=True, exist_ok=True)
        lock = os.open(state / "serve.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise unfit(state, error) from error
    with contextlib.ExitStack() as held:
        held.callback(os.close, lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError:
            owner = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
            raise StateInUse(
                f"{state} belongs to a running headrace serve (process {owner}): stop that one, or "
                "give this one another folder with --state"
            ) from None
        except OSError as error:
            raise unfit(state, error) from error
        held.pop_all()
    return lock


def let_go(lock: int) -> None:
    """Let another process have the folder."""
    with contextlib.suppress(OSError):
        # Said, and not left to the last one that has it open: a model may have forked.
        fcntl.flock(lock, fcntl.LOCK_UN)
        os.close(lock)


def unfit(state: Path, error: OSError) -> StateInvalid:
    """Return the error of a folder that cannot be used as it is."""
    what = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return StateInvalid(
        f"{state} cannot hold a run's state ({what}): make it writable for this user, or give "
        "another folder with --state"
    )
