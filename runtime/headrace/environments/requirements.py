"""What a requirements file may say here, and the name of the environment that it asks for. Pure."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from headrace.errors import RequirementsInvalid

#: Pip reads files of any size; one that a person wrote has less.
MOST_BYTES: Final = 1 << 20
#: What the environment is to share with the process that gives it work: pip may bring no other.
KEPT: Final = ("headrace", "headrace-core", "ray")

#: Options by which a file means others, which may change while this one does not.
_OTHERS: Final = ("-r", "--requirement", "-c", "--constraint", "-e", "--editable")


def check(text: str, place: Path) -> None:
    """Refuse a file that does not say by itself what is installed.

    Raises:
        RequirementsInvalid: with the line.
    """
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        option = words[0].partition("=")[0] if words else ""
        if any(option == one or (len(one) == 2 and option.startswith(one)) for one in _OTHERS):
            raise RequirementsInvalid(
                f"{place}:{number}: {option} names another file, and the environment would stay as "
                "it is when that changes: write what it says here"
            )


def key(text: str, installed: Mapping[str, str], python: Sequence[int], prefix: str) -> str:
    """Return the name of the environment: the same for all that would be made alike.

    Args:
        text: the requirements file's.
        installed: distribution → version of what is there without it.
        python: the interpreter's version.
        prefix: where that is installed.
    """
    facts = json.dumps([text, sorted(installed.items()), list(python), prefix])
    return hashlib.sha256(facts.encode()).hexdigest()[:16]


def constraints(installed: Mapping[str, str]) -> str:
    """Return what pip is held to, as a constraints file."""
    return "".join(f"{one}=={installed[one]}\n" for one in KEPT if one in installed)
