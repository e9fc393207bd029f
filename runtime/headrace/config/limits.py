"""Limits as the command line names them: the server's, and the gateway's, which the core knows."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from headrace.errors import ConfigInvalid

#: What 64 bits hold for certain.
MOST_DIGITS: Final = 18
#: Of what is no count of bytes: the core has 32 bits for it. As milliseconds it is seven weeks.
MOST: Final = (1 << 32) - 1
#: The server's own limits, and the least that each may be.
OURS: Final = {"max_loaded": 1, "spare_hosts": 0}


def as_options(given: Sequence[str]) -> dict[str, Any]:
    """Return what `NAME=NUMBER`s say, as `ServeOptions` names it: a gateway's limits together.

    Raises:
        ConfigInvalid: as `read`.
    """
    said = read(given)
    ours = {name: number for name, number in said.items() if name in OURS}
    return {**ours, "limits": _of_gateway(said)}


def _of_gateway(said: Mapping[str, int]) -> dict[str, int]:
    return {name: number for name, number in said.items() if name not in OURS}


def read(given: Sequence[str]) -> dict[str, int]:
    """Return what `NAME=NUMBER`s say.

    Raises:
        ConfigInvalid: one is no limit of the server, or no number that it may be.
    """
    if not given:
        return {}
    from headrace_core import Gateway, limits

    known = limits() | OURS
    read = {}
    for text in given:
        name, _, number = text.partition("=")
        if name not in known:
            raise ConfigInvalid(f"there is no limit {name!r}: expected one of {', '.join(known)}")
        # One that is 0 unless it is changed switches something on.
        least = min(1, known[name])
        if not number.isdecimal() or len(number) > MOST_DIGITS or int(number) < least:
            raise ConfigInvalid(f"limit {name} should be a number from {least} on, not {number!r}")
        if "bytes" not in name and int(number) > MOST:
            raise ConfigInvalid(f"limit {name} should be at most {MOST}, not {number}")
        read[name] = int(number)
    try:
        # What else it refuses it says itself; nothing is started.
        Gateway(json.dumps({"arena_bytes": 0, "limits": _of_gateway(read)}))
    except ValueError as error:
        raise ConfigInvalid(str(error)) from error
    return read
