"""Versions as operators are shown them: those that are loaded, and those that could be."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from headrace.control.moving import absent
from headrace.control.quarantine import Quarantine
from headrace.control.store import Note
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
    #: Who had it unloaded last in this run, and why.
    unloaded: Note | None = None
    #: Why it gets no traffic.
    quarantine: Quarantine | None = None

    @property
    def reason(self) -> str:
        """Why it is as it is."""
        if self.standing is not None:
            return self.standing.reason
        one = self.unloaded
        return "" if one is None else f"unloaded by {one.who}{f': {one.why}' if one.why else ''}"


def rows(
    versions: Mapping[str, Version],
    wanted: Mapping[str, Wanted],
    standings: Mapping[str, Standing],
    unloaded: Mapping[str, Note],
    quarantine: Callable[[str, int], Quarantine | None],
) -> list[Row]:
    """Return the rows of versions, by label, in the order of models and numbers."""
    ordered = sorted(versions.values(), key=lambda one: (one.model, one.number))
    return [
        replace(
            _row(one, wanted.get(one.model, Wanted("")), standings.get(one.label)),
            unloaded=unloaded.get(one.label),
            quarantine=quarantine(one.model, one.number),
        )
        for one in ordered
    ]


def _row(version: Version, wanted: Wanted, standing: Standing | None) -> Row:
    is_wanted = version.number in wanted.versions
    pending = wanted.pending.shares if wanted.pending else None
    return Row(
        version,
        is_wanted=is_wanted,
        standing=absent(wanted, version.number) if is_wanted and standing is None else standing,
        share=(wanted.shares or {}).get(version.number, 0),
        coming=None if pending is None else pending.get(version.number, 0),
    )
