"""A file that a person wrote, read with a bound."""

import os
import stat
from pathlib import Path
from typing import Final

from headrace.errors import ConfigInvalid

#: A configuration is a page; a file beyond this is something else. To read this much takes seconds.
MOST_BYTES: Final = 256 << 10


def read_text(path: Path, *, or_pipe: bool = False) -> str:
    """Return what is in the file at ``path``.

    ``or_pipe``: it may be a pipe, too, or a terminal, whose other end is waited for.

    Raises:
        FileNotFoundError: there is none.
        ConfigInvalid: it is no file of text that this user may read, or too large.
    """
    try:
        return _read(path, or_pipe=or_pipe)
    except FileNotFoundError:
        if path.is_symlink():
            raise ConfigInvalid(
                f"{path}:1:1: a link to what is not there: mend the link, or take it away"
            ) from None
        raise
    except OSError as error:
        raise ConfigInvalid(
            f"{path}:1:1: cannot be read ({error.strerror}): let this user read it, or take it away"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigInvalid(
            f"{path}:1:1: not UTF-8: byte {error.start} is {error.reason}"
        ) from error


def _read(path: Path, *, or_pipe: bool) -> str:
    # Whoever opens a pipe would wait for its other end.
    at_once = 0 if or_pipe else os.O_NONBLOCK
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | at_once)) as file:
        if not (or_pipe or stat.S_ISREG(os.fstat(file.fileno()).st_mode)):
            raise ConfigInvalid(
                f"{path}:1:1: expected a file, but this is a pipe or a device: take it away"
            )
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ConfigInvalid(
            f"{path}:1:1: the file is larger than {MOST_BYTES} bytes: no {path.name} is, put data "
            "into files beside it"
        )
    return content.decode()
