"""What a run begins with: what was wanted before, as far as it is there and has what it needs."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from headrace.control import arriving
from headrace.control import wanted as words
from headrace.control.finding import Finding, by_number
from headrace.control.lost import Lost, lost
from headrace.control.store import Change, Note
from headrace.control.wanted import Wanted
from headrace.errors import RequirementsInvalid, SourceInvalid
from headrace.repository.folder import Version

#: Who changes what nobody asked for, because it follows from what somebody did.
ITSELF = "headrace"
#: Who says what a rollout decides.
ROLLOUT: Final = re.compile(r"rollout [0-9]+")
BY_ITSELF: Final = Note(ITSELF, "")
#: Where nothing is away.
NONE: Final[Mapping[str, str]] = MappingProxyType({})


def is_itself(who: str) -> bool:
    """Return whether nobody said what the journal has by this name: it followed from something."""
    return who == ITSELF or ROLLOUT.fullmatch(who) is not None


@dataclass
class Start:
    """A run's."""

    wanted: dict[str, Wanted] = field(default_factory=dict)
    #: What is wanted, ready to be loaded, by label.
    versions: dict[str, Version] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)


def started(  # noqa: PLR0913 - a run begins with all of this
    finding: Finding,
    kept: Mapping[str, Wanted],
    found: Sequence[Version],
    missing: Mapping[str, str] = NONE,
    *,
    by: Note = BY_ITSELF,
    bars: arriving.Bars = arriving.bars_none,
) -> Start:
    """Return what a run begins with that has found these versions in its repository.

    A version whose packages cannot be installed is lost, and so is a ``missing`` model, whose
    source cannot be had for a reason; neither keeps any other from being served. What is kept of
    such a model stays as it is, for when that can be had. ``by`` has who began it, and why.
    ``bars`` says which versions get no traffic by that.

    Raises:
        RequirementsInvalid, SourceInvalid: there is no other.
    """
    if missing and not found:
        raise SourceInvalid("\n".join(missing.values()))
    start, unfit = Start(), list[str]()
    start.lost += [Lost(model, None, 0.0, why) for model, why in missing.items()]
    for model, here in by_number(found).items():
        unfit += _add(start, finding, model, kept.get(model), here, by, bars)
    if unfit and not start.versions:
        raise RequirementsInvalid("\n".join([*missing.values(), *unfit]))
    return start


def _add(  # noqa: PLR0913 - a model, what is known of it, and what is to become of both
    start: Start,
    finding: Finding,
    model: str,
    before: Wanted | None,
    here: dict[int, Version],
    by: Note,
    bars: arriving.Bars,
) -> Iterable[str]:
    """Add what becomes of a model, and return why packages of its versions cannot be installed."""
    versions, reasons = here, dict[int, str]()
    folder = str(next(iter(here.values())).home)
    if before is not None and before.folder == folder:
        versions, reasons = finding.as_before(here, before.versions)
    expected = arriving.begun(before, folder, versions, bars).versions
    fit, unfit = finding.fit(versions, expected)
    there = {number: one for number, one in versions.items() if number not in unfit}
    after = arriving.begun(before, folder, there, bars)
    start.lost += lost(model, before, after, reasons | unfit)
    if before is not None or after.versions:  # else the next start sees the model as new
        start.wanted[model] = after
        start.versions |= fit
        if after != before:
            note = replace(by, what=words.of_start(before, after))
            start.changes.append(Change(model, before, after, note))
    return unfit.values()
