"""Versions as operators are shown them: those that are loaded, and those that could be."""

from dataclasses import dataclass

from headrace.control.wanted import Wanted
from headrace.models.lifecycle import Standing
from headrace.repository.folder import Version


@dataclass(frozen=True)
class Row:
    """A version that is loaded, or could be."""

    version: Version
    #: It is to be carried.
    is_wanted: bool
    #: How it stands, where it is carried.
    standing: Standing | None
    #: Of the requests that name no version, in parts of `WHOLE`.
    share: int
    #: It takes so much as soon as it is ready.
    coming: int | None


def row_of(version: Version, wanted: Wanted, standing: Standing | None) -> Row:
    """Return the row of a version of a model of which this is wanted."""
    pending = wanted.pending.shares if wanted.pending else None
    return Row(
        version,
        is_wanted=version.number in wanted.versions,
        standing=standing,
        share=(wanted.shares or {}).get(version.number, 0),
        coming=None if pending is None else pending.get(version.number, 0),
    )
