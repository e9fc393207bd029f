"""Which versions get no traffic because a rollout rolled them back, and until when. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from headrace.control.reports import name
from headrace.control.wanted import Wanted
from headrace.errors import Quarantined
from headrace.registry.tagged import Tagged
from headrace.rollout.course import Course, End


@dataclass(frozen=True)
class Files:
    """A version as it is loaded, or would be."""

    model: str
    version: int
    #: Of its files, in hexadecimal; empty where nobody knows.
    digest: str
    #: What its registry says of it; None of one that no registry has.
    tagged: Tagged | None = None


@dataclass(frozen=True)
class Quarantine:
    """A version that a rollout rolled back, and why."""

    model: str
    version: int
    #: Of the files that were rolled back: others under this number are another version. Empty where
    #: nobody knows: whatever they are.
    digest: str
    #: As registries know it, such as ``3-1764400000``.
    rollout: str
    why: str
    #: When it was rolled back; 0 where that is not known.
    unix_ms: int
    #: A person has released it, and its registry may not know that yet.
    is_released: bool = False

    def __str__(self) -> str:
        number = self.rollout.partition("-")[0]
        who = f"rollout {number}" if number else "somebody"
        when = ""
        if self.unix_ms:
            at = datetime.fromtimestamp(self.unix_ms / 1000, UTC)
            when = f" on {at.strftime('%Y-%m-%d %H:%M:%S')} UTC"
        return f"quarantined, {who} rolled it back{when}{f': {self.why}' if self.why else ''}"


@dataclass(frozen=True)
class Decision:
    """What holds a version back from traffic, and what does not any more."""

    holds: Quarantine | None = None
    #: Of what is kept: its registry has released the version since.
    spent: tuple[Quarantine, ...] = ()


def decide(kept: Iterable[Quarantine], files: Files) -> Decision:
    """Return whether a version is quarantined.

    A registry's word counts as soon as it knows of the rollout: that the tag has another value
    before that is no release. A release by a command counts for one rollout, whatever the tag says,
    for the registry may hear of it later, or never.

    Args:
        kept: what is known of its model, of whichever versions and files.
        files: the version.
    """
    mine = [
        one
        for one in kept
        if (one.model, one.version) == (files.model, files.version)
        and (one.digest == files.digest or not one.digest or not files.digest)
    ]
    tagged = files.tagged
    if tagged is not None and tagged.is_rolled_back:
        by = [one for one in mine if one.rollout == tagged.rolled_back]
        if not any(one.is_released for one in by):
            told = Quarantine(
                files.model, files.version, files.digest, tagged.rolled_back, tagged.reason, 0
            )
            return Decision(by[0] if by else told)
    spent: list[Quarantine] = []
    if tagged is not None and not tagged.is_rolled_back and tagged.rolled_back:
        spent = [one for one in mine if one.rollout == tagged.rolled_back]
    hold = [one for one in mine if not one.is_released and one not in spent]
    return Decision(max(hold, key=lambda one: one.unix_ms, default=None), tuple(spent))


def gains(before: Wanted | None, after: Wanted) -> frozenset[int]:
    """Return the versions that a change gives traffic: a share, now or soon, an alias or a rule.

    Copies are none: nobody gets their answers.
    """
    had, has = _shares(before), _shares(after)
    led = _led(after) - _led(before)
    more = {one for one, share in has.items() if share > had.get(one, 0)}
    return frozenset(more | {version for _, version in led})


def _shares(wanted: Wanted | None) -> dict[int, int]:
    if wanted is None:
        return {}
    soon = {} if wanted.pending is None else wanted.pending.shares
    now = wanted.shares or {}
    return {one: max(now.get(one, 0), soon.get(one, 0)) for one in {*now, *soon}}


def _led(wanted: Wanted | None) -> set[tuple[str, int]]:
    if wanted is None:
        return set()
    aliases = {(one.name, one.version) for one in wanted.traffic.aliases}
    return aliases | {(str(one), one.version) for one in wanted.traffic.rules}


def of_end(course: Course, digest: str) -> Quarantine | None:
    """Return what a rollout has quarantined; None where it has not rolled back another version."""
    candidate, baseline = course.versions
    if course.end is not End.ROLLED_BACK or candidate == baseline:
        return None
    said = course.said[-1]
    return Quarantine(course.model, candidate, digest, name(course), said.why, said.unix_ms)


def refusal(one: Quarantine, *, registered: bool) -> Quarantined:
    """Return the error that says why a version gets no traffic, and how it may again.

    ``registered``: a registry has it, and not a folder.
    """
    label = f"{one.model}/{one.version}"
    else_ = (
        "so does another value of its tag headrace.state in its registry"
        if registered
        else "other files under its number are another version"
    )
    told = (
        f"{label} is {one}. It may be loaded (--hold) and named in requests, and gets no traffic "
        f"until it is released: `headrace rollout release {label} --why …`; {else_}"
    )
    return Quarantined(told, one.model, one.version)
