"""The token that requests to a console need which listens beyond this machine."""

import os
import re
import secrets
import stat
from dataclasses import dataclass, field
from errno import EEXIST
from hmac import compare_digest
from pathlib import Path
from typing import Final

from headrace.config.loopback import is_loopback
from headrace.console.state import unfit

#: In the state folder, readable by its user alone.
FILE: Final = "console-token"
WELL_FORMED: Final = re.compile(rb"[A-Za-z0-9_-]{32,128}\n?")
MOST_BYTES: Final = 200
SCHEME: Final = "bearer "


@dataclass(frozen=True)
class Token:
    """What a request has to bring, and where who may ask finds it."""

    file: Path
    #: Shown nowhere, so not by a traceback either.
    text: str = field(repr=False)

    def fits(self, authorization: str) -> bool:
        """Whether a request with this header may ask; its time tells nobody how much of it fits."""
        scheme, brought = authorization[: len(SCHEME)], authorization[len(SCHEME) :]
        return scheme.lower() == SCHEME and compare_digest(brought.encode(), self.text.encode())


def token_for(host: str, state: Path) -> Token | None:
    """Return the token of a console that listens on ``host``; None on a loopback address.

    A token that is there already stays, if nobody else could read it: clients have it.

    Raises:
        StateInvalid: it cannot be kept in the state folder.
    """
    if is_loopback(host):
        return None
    file = state.absolute() / FILE
    try:
        return Token(file, _kept(file) or _made(file))
    except OSError as error:
        raise unfit(state, error) from error


def _kept(file: Path) -> str:
    try:
        opened = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return ""
    try:
        found = os.fstat(opened)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid():
            raise FileExistsError(EEXIST, "it is no file of this user", str(file))
        text = os.read(opened, MOST_BYTES)
    finally:
        os.close(opened)
    is_private = not found.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    return text.decode().strip() if is_private and WELL_FORMED.fullmatch(text) else ""


def _made(file: Path) -> str:
    text = secrets.token_urlsafe(32)
    beside = file.with_name(f"{FILE}.new")
    beside.unlink(missing_ok=True)
    # Whole and private, or not there.
    opened = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(opened, f"{text}\n".encode())
    finally:
        os.close(opened)
    beside.rename(file)
    return text
