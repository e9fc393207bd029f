"""A file that a person wrote, read with a bound."""

import os
import stat
from pathlib import Path
from typing import Final

from headrace.errors import ConfigInvalid

#: A configuration is a page; a file beyond this is something else. To read this much takes seconds.
MOST_BYTES: Final = 256 << 10


def read_text(path: Path) -> str:
    """Return what is in the file at ``path``.

    Raises:
        FileNotFoundError: there is none.
        ConfigInvalid: it is no file of text that this user may read, or too large.
    """
    try:
        return _read(path)
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


def _read(path: Path) -> str:
    # Whoever opens a pipe would wait for its other end.
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
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
