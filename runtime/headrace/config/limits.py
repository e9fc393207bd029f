"""The gateway's limits, as the command line names them. Which there are the core knows."""

from collections.abc import Sequence
from typing import Final

from headrace.errors import ConfigInvalid

#: What 64 bits hold for certain.
MOST_DIGITS: Final = 18


def read(given: Sequence[str]) -> dict[str, int]:
    """Return what `NAME=NUMBER`s say.

    Raises:
        ConfigInvalid: one is no limit of the gateway, or no number above 0.
    """
    if not given:
        return {}
    from headrace_core import limits

    known = limits()
    read = {}
    for text in given:
        name, _, number = text.partition("=")
        if name not in known:
            raise ConfigInvalid(f"there is no limit {name!r}: expected one of {', '.join(known)}")
        if not number.isdecimal() or len(number) > MOST_DIGITS or int(number) == 0:
            raise ConfigInvalid(f"limit {name} should be a number above 0, not {number!r}")
        read[name] = int(number)
    return read
