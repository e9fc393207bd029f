"""The text of a kernel: its .cu file with the headers of this package put in."""

import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent
_INCLUDE = re.compile(r'^#include "(.+)"$', re.MULTILINE)


@cache
def text(name: str) -> str:
    """Return the file ``name`` (a path within this package) with every header in place, once each.

    One text is all that a compiler needs, and all that a cache has to be keyed by.
    """
    return _expanded(name, set())


def _expanded(name: str, seen: set[str]) -> str:
    if name in seen:
        return ""
    seen.add(name)
    source = (ROOT / name).read_text("utf-8")
    return _INCLUDE.sub(lambda found: _expanded(found[1], seen), source)
