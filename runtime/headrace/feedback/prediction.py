"""Predictions as their ids carry them. `wire/prediction.rs` of the core writes them."""

import binascii
import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Final, NamedTuple

from headrace.repository.instances import version_of

#: Bytes of the key, and of the signature.
KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 16
#: Format, kind, rows, length of the model's name, made_s, within_hours, nonce, version.
HEAD: Final = struct.Struct("<BBBBIHQQ")
CLASS: Final = struct.Struct("<If")
NUMBER: Final = struct.Struct("<d")
FORMAT: Final = 1
#: How the first two bytes, the format and a kind, begin an id.
BEGINNINGS: Final = ("AQA", "AQE")
#: Of a request whose answer has an id.
MOST_ROWS: Final = 8
#: Of an id as text, with the longest name of a model, and with the shortest.
MOST_CHARACTERS: Final = 500
LEAST_CHARACTERS: Final = 68
CLASSES: Final = 0
NUMBERS: Final = 1
S_PER_HOUR: Final = 3600


class Top(NamedTuple):
    """The largest of a row's scores, and its place."""

    number: int
    score: float


class Forged(Exception):
    """An id that no gateway with this key has made."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a version answered to one request.

    Attributes:
        made_s: seconds since 1970.
        within_hours: how long a label may take.
        nonce: no other prediction has it.
        rows: one for each of the request's: where its output is a vector the top, else the number.
    """

    model: str
    version: int
    made_s: int
    within_hours: int
    nonce: int
    rows: tuple[Top | float, ...]

    @property
    def of_version(self) -> int:
        """The version that callers know, of which a control is a second instance."""
        return version_of(self.version)

    @property
    def hour(self) -> int:
        """When it was made, in hours since 1970."""
        return self.made_s // S_PER_HOUR

    @property
    def until_s(self) -> int:
        """When a label of it is late, in seconds since 1970."""
        return self.made_s + self.within_hours * S_PER_HOUR


def seems_one(text: str) -> bool:
    """Return whether a text may be an id of a prediction, as far as that is seen without a key."""
    return len(text) >= LEAST_CHARACTERS and text.startswith(BEGINNINGS)


def read(text: str, key: bytes) -> Prediction:
    """Return the prediction that an id carries.

    Raises:
        Forged: it was not made with this key, or is cut, changed or no id at all.
    """
    try:
        whole = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (binascii.Error, UnicodeEncodeError) as error:
        raise Forged from error
    # The decoder reads over what is not of its alphabet, and over bits that are left at the end.
    if urlsafe_b64encode(whole).rstrip(b"=").decode() != text:
        raise Forged
    body, signature = whole[:-SIGNATURE_BYTES], whole[-SIGNATURE_BYTES:]
    if not hmac.compare_digest(signature, _signature(body, key)):
        raise Forged
    # Whoever has the key has written it: what follows is as it was written.
    version_of_form, kind, rows, name, made_s, within_hours, nonce, version = HEAD.unpack_from(body)
    if version_of_form != FORMAT:
        raise Forged
    model, rest = body[HEAD.size : HEAD.size + name], body[HEAD.size + name :]
    form = CLASS if kind == CLASSES else NUMBER
    if len(rest) != rows * form.size:
        raise Forged
    found: tuple[Top | float, ...]
    if kind == CLASSES:
        found = tuple(Top(*row) for row in CLASS.iter_unpack(rest))
    else:
        found = tuple(row for (row,) in NUMBER.iter_unpack(rest))
    return Prediction(model.decode(), version, made_s, within_hours, nonce, found)


def written(one: Prediction, key: bytes) -> str:
    """Return the id of a prediction, as the core writes it."""
    name = one.model.encode()
    tops = [row for row in one.rows if isinstance(row, Top)]
    kind = CLASSES if tops else NUMBERS
    rows = [CLASS.pack(*row) if isinstance(row, Top) else NUMBER.pack(row) for row in one.rows]
    head = HEAD.pack(
        FORMAT,
        kind,
        len(rows),
        len(name),
        one.made_s,
        one.within_hours,
        one.nonce,
        one.version,
    )
    body = head + name + b"".join(rows)
    return urlsafe_b64encode(body + _signature(body, key)).rstrip(b"=").decode()


def _signature(body: bytes, key: bytes) -> bytes:
    return hmac.digest(key, body, "sha256")[:SIGNATURE_BYTES]
