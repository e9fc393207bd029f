"""Texts of libraries, as people may be shown them."""

import os
import re
import traceback
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import quote, unquote

SCHEME: Final = "://"
#: What of a text can be an address's user and password. A password may have blanks and slashes, and
#: its end may be any "@" of the line: what stands between is hidden with it. A number of a port, or
#: a blank, after the colon begins none: "http://registry:5000 has no photos@champion" is no secret.
USER: Final = re.compile(
    r"""://
    (?!…@ | \[[0-9a-fA-F]*:[0-9a-fA-F:.]*\])     # hidden already; an address of IPv6
    (?P<user>
        [^\s:/]* : (?!\s | \d{1,5}(?:[\s/?#'"),;.\]] | $)) .*
      | [^\s:/]* : \S*
      | [^\s:/]*
    )@""",
    re.VERBOSE | re.MULTILINE,
)
QUERY: Final = re.compile(r"(://[^\s?\"']*)\?[^\s\"')]*")
#: Ends where people are named, for some libraries; for others a password goes on.
DIVIDERS: Final = re.compile(r"[/?#@\s]+")
#: How variables of the environment are called that hold a secret.
SECRET: Final = ("CONNECTION_STRING", "KEY", "PASSWORD", "SECRET", "TOKEN")
#: Of a value that is looked for: what is shorter would blot out words.
LEAST_CHARACTERS: Final = 4
#: How Azure's connection strings call theirs, each of which a library has by itself.
OF_A_CONNECTION: Final = re.compile(
    rf"(?:AccountKey|SharedAccessSignature)=([^;]{{{LEAST_CHARACTERS},}})"
)


def without_secrets(text: str, environ: Mapping[str, str], addresses: Iterable[str] = ()) -> str:
    """Return ``text`` without users and queries of addresses, and without secrets of ``environ``.

    Libraries write the address that they were given, and at times the header, into their errors.
    Where a password ends is known of an address alone, and guessed of one in a text: what is not
    certain is hidden.

    Args:
        text: what is to be shown.
        environ: its values are hidden by their names, and passwords of those that are addresses.
        addresses: further ones that ``text`` may have, or a part of their passwords.
    """
    hidden = {
        value: "…"
        for name, value in environ.items()
        if name.endswith(SECRET) and len(value) >= LEAST_CHARACTERS
    }
    for address in (*environ.values(), *addresses):
        hidden.update(_hidden(address))
        hidden.update((secret, "…") for secret in OF_A_CONNECTION.findall(address))
    # What is a part of another would leave the rest of it.
    for one in sorted(hidden, key=len, reverse=True):
        text = text.replace(one, hidden[one])
    return QUERY.sub(r"\1?…", USER.sub(_nobody, text))


def trace(error: BaseException) -> str:
    """Return the traceback of what was not foreseen, without secrets, as a log may have it."""
    return without_secrets("".join(traceback.format_exception(error)).rstrip(), os.environ)


def _nobody(found: re.Match[str]) -> str:
    # Who signs an address may have an "@" in it: what follows that is still secret.
    if "?" in found["user"] or "#" in found["user"]:
        return f"{SCHEME}…?"
    return f"{SCHEME}…@"


def _hidden(address: str) -> Iterator[tuple[str, str]]:
    """Yield what is not to be seen of an address, and what stands in its place."""
    user, at, _ = address.partition(SCHEME)[2].rpartition("@")
    name, colon, password = user.partition(":")
    # Without a colon before it a slash ends where people are named, for everybody.
    if not at or "/" in name:
        return
    yield f"{SCHEME}{user}@", f"{SCHEME}…@"
    yield f"{user}@", "…@"
    if not colon:
        return
    # A library that ends it at another "@", or at a slash, takes the rest for a host or a port.
    for one in (password, *DIVIDERS.split(password)):
        for written in (one, unquote(one), quote(one, safe="")):
            if len(written) >= LEAST_CHARACTERS:
                yield written, "…"
