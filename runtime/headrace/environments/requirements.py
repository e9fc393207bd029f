"""What a requirements file may say here, and the name of the environment that it asks for. Pure."""

import hashlib
import json
import re
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
        for word in _said(line):
            option = word.partition("=")[0]
            if any(option == one or (len(one) == 2 and option.startswith(one)) for one in _OTHERS):
                raise RequirementsInvalid(
                    f"{place}:{number}: {option} names another file, and the environment would "
                    "stay as it is when that changes: write what it says here"
                )


def _said(line: str) -> list[str]:
    """Return the words of a line, without its comment."""
    return re.split(r"(?:^|\s)#", line, maxsplit=1)[0].split()


def names_places(text: str) -> bool:
    """Whether a file names packages or folders of this machine by paths."""
    words = [word for line in text.splitlines() for word in _said(line)]
    begins = (".", "/", "file:", "-f", "--find-links")
    return any(one.startswith(begins) or one.endswith((".whl", ".zip", ".gz")) for one in words)


def key(
    text: str, place: str, installed: Mapping[str, str], python: Sequence[int], prefix: str
) -> str:
    """Return the name of the environment: the same for all that would be made alike.

    Args:
        text: the requirements file's.
        place: the folder that paths in it are relative to.
        installed: distribution → version of what is there without it.
        python: the interpreter's version.
        prefix: where that is installed.
    """
    facts = json.dumps(
        [text, place if names_places(text) else "", sorted(installed.items()), list(python), prefix]
    )
    return hashlib.sha256(facts.encode()).hexdigest()[:16]


def constraints(installed: Mapping[str, str]) -> str:
    """Return what pip is held to, as a constraints file."""
    return "".join(f"{one}=={installed[one]}\n" for one in KEPT if one in installed)
