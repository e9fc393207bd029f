"""Who may have a version answer by naming it. Pure."""

import re
from dataclasses import dataclass, field
from typing import Final

from headrace.config.digest import digest
from headrace.errors import ConfigInvalid

#: Of the environment: who lists processes sees arguments, and not this.
KEY: Final = "HEADRACE_PIN_KEY"
#: In lower case, as names of headers and of metadata are compared.
HEADER: Final = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,128}")
#: What a header's value may be on every way, and nobody guesses.
FORM: Final = re.compile(r"[\x21-\x7e]{16,512}")


@dataclass(frozen=True)
class Pins:
    """What a request has to bring that names a version."""

    #: In lower case.
    header: str
    #: Shown nowhere.
    key: str = field(repr=False)

    def as_gateway_reads(self) -> dict[str, str]:
        """Return it without the key, of which the digest is enough."""
        return {"header": self.header, "key_sha256": digest(self.key)}

    @property
    def environ(self) -> dict[str, str]:
        """The variable that says this, which is none of a model's."""
        return {KEY: self.key}


def read(header: str, key: str | None) -> Pins | None:
    """Return what ``--pin-header`` and the environment say; None where they say nothing.

    Raises:
        ConfigInvalid: one is there without the other, or is none.
    """
    if not header and not key:
        return None
    if not header or not key:
        there, missing = ("--pin-header", KEY) if header else (KEY, "--pin-header")
        raise ConfigInvalid(f"{there} is set, and {missing} is not: it takes both")
    if HEADER.fullmatch(header.lower()) is None:
        raise ConfigInvalid(f"--pin-header should be the name of a header, not {header!r:.100}")
    if FORM.fullmatch(key) is None:
        raise ConfigInvalid(f"{KEY} should have 16 to 512 visible ASCII characters, and no blanks")
    return Pins(header.lower(), key)
