"""Texts of libraries, as people may be shown them."""

import os
import re
import traceback
from collections.abc import Mapping
from typing import Final

#: Of an address: who asks, and what is signed.
USER: Final = re.compile(r"://[^/\s]*@")
QUERY: Final = re.compile(r"(://[^\s?\"']*)\?[^\s\"')]*")
#: How variables of the environment are called that hold a secret.
SECRET: Final = ("KEY", "PASSWORD", "SECRET", "TOKEN")
#: Of a value that is looked for: what is shorter would blot out words.
LEAST_CHARACTERS: Final = 4


def without_secrets(text: str, environ: Mapping[str, str]) -> str:
    """Return ``text`` without users and queries of addresses, and without secrets of ``environ``.

    Libraries write the address that they were given, and at times the header, into their errors.
    """
    for name, value in environ.items():
        if name.endswith(SECRET) and len(value) >= LEAST_CHARACTERS:
            text = text.replace(value, "…")
    return QUERY.sub(r"\1?…", USER.sub("://…@", text))


def trace(error: BaseException) -> str:
    """Return the traceback of what was not foreseen, without secrets, as a log may have it."""
    return without_secrets("".join(traceback.format_exception(error)).rstrip(), os.environ)
