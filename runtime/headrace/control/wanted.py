"""What is wanted of one model, and what an operator's words make of it. Pure."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Any

from headrace.control import traffic as routes
from headrace.control.traffic import NOTHING, Traffic
from headrace.errors import Unchanged, Unwanted
from headrace.execution.policy import WHOLE
from headrace.models.lifecycle import Standing, State


@dataclass(frozen=True)
class Pending:
    """What is to happen once versions that are being loaded are ready: then, and at once."""

    #: Who takes the traffic, in parts of `WHOLE`; all of these are waited for.
    shares: Mapping[int, int]
    #: Who goes after that.
    unload: frozenset[int] = frozenset()
    #: Who goes ends before the others are loaded, for there is no room for both; requests that name
    #: no version wait meanwhile.
    old_first: bool = False
    #: It goes back to who had the traffic, for this reason.
    back: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as the database keeps it."""
        kept: dict[str, Any] = {"shares": _by_text(self.shares), "unload": sorted(self.unload)}
        return kept | ({"old_first": True, "back": self.back} if self.old_first else {})


@dataclass(frozen=True)
class Wanted:
    """One model. Replaced, never changed."""

    #: Where its versions are found; another folder's model of the same name is another model.
    folder: str
    #: Version → how often it was asked for anew, having failed or been on standby.
    versions: Mapping[int, int] = field(default_factory=dict)
    #: Those that are there, and that somebody has unloaded: a new start leaves them alone.
    unloaded: frozenset[int] = frozenset()
    #: Version → its part of the requests that name none, of `WHOLE`. None before that was decided:
    #: the highest version that is ready takes all.
    shares: Mapping[int, int] | None = None
    pending: Pending | None = None
    traffic: Traffic = NOTHING

    def as_json(self) -> dict[str, Any]:
        """Return it as the database keeps it."""
        return {
            "folder": self.folder,
            "versions": _by_text(self.versions),
            "unloaded": sorted(self.unloaded),
            "shares": None if self.shares is None else _by_text(self.shares),
            "pending": self.pending and self.pending.as_json(),
            "traffic": self.traffic.as_json(),
        }


def from_json(kept: Mapping[str, Any]) -> Wanted:
    """Return what `Wanted.as_json` made this of."""
    pending = kept["pending"]
    return Wanted(
        folder=kept["folder"],
        versions=_by_number(kept["versions"]),
        unloaded=frozenset(kept["unloaded"]),
        shares=None if kept["shares"] is None else _by_number(kept["shares"]),
        pending=pending
        and Pending(
            _by_number(pending["shares"]),
            frozenset(pending["unload"]),
            pending.get("old_first", False),
            pending.get("back", ""),
        ),
        traffic=routes.from_json(kept.get("traffic", {})),
    )


def known(wanted: Mapping[str, Wanted], model: str) -> Wanted:
    """Return what is wanted of a model; raises Unwanted where it is not served."""
    if model not in wanted:
        there = ", ".join(sorted(wanted)) or "none"
        raise Unwanted(f"no model {model!r} is served here; there is {there}")
    return wanted[model]


def _by_text(numbers: Mapping[int, int]) -> dict[str, int]:
    return {str(version): number for version, number in sorted(numbers.items())}


def _by_number(texts: Mapping[str, int]) -> dict[int, int]:
    return {int(version): number for version, number in texts.items()}


def begun(
    kept: Wanted | None,
    folder: str,
    found: Mapping[int, bool],
    serves: int | None = None,
    old_first: Set[int] = frozenset(),
) -> Wanted:
    """Return what a run begins with that has ``found`` versions in ``folder``.

    What was wanted before, as far as it is there, and every version that nobody has seen yet: such
    a one gets no traffic by itself, unless ``found`` says that it swaps. Where traffic went to what
    is gone, others share it by what they had; where nobody had any, it is decided anew.

    ``serves``: who has served a new model elsewhere so far has all traffic, whoever is ready first.
    ``old_first``: those that are loaded once who had the traffic has ended.
    """
    if kept is None or kept.folder != folder:
        first = None if serves is None else {serves: WHOLE}
        pending = None if first is None else Pending(first)
        return Wanted(folder, dict.fromkeys(sorted(found), 0), shares=first, pending=pending)
    unloaded = kept.unloaded & set(found)
    versions = {one: kept.versions.get(one, 0) for one in sorted(set(found) - unloaded)}
    pending = kept.pending
    if pending is not None and not set(pending.shares) <= set(versions):
        pending = None
    after = replace(
        kept,
        versions=versions,
        unloaded=unloaded,
        shares=_without(kept.shares, set(kept.shares or {}) - set(versions)),
        pending=pending,
        traffic=routes.only(kept.traffic, set(versions)),
    )
    swap = [one for one in versions if one not in kept.versions and found[one]]
    if not swap or not after.shares:
        return after
    ends = max(swap) in old_first and not set(after.shares) & set(after.traffic.named)
    return replace(after, pending=_swap(after, max(swap), old_first=ends))


def of_start(before: Wanted | None, after: Wanted) -> str:
    """Return what the journal says of a start."""
    loaded = " ".join(str(one) for one in after.versions)
    if before is None or before.folder != after.folder:
        return f"start: load {loaded}"
    new = sorted(set(after.versions) - set(before.versions))
    gone = sorted(set(before.versions) - set(after.versions))
    told = [f"found {' '.join(map(str, new))}"] if new else []
    told += [f"{' '.join(map(str, gone))} is gone"] if gone else []
    return f"start: {'; '.join(told) or 'what was unloaded is gone'}"


def _without(shares: Mapping[int, int] | None, gone: Set[int]) -> Mapping[int, int] | None:
    left = {one: share for one, share in (shares or {}).items() if one not in gone and share}
    if not left:
        return None
    # The largest remainders get what rounding leaves.
    whole = sum(left.values())
    parts = {one: divmod(share * WHOLE, whole) for one, share in left.items()}
    rest = WHOLE - sum(part for part, _ in parts.values())
    more = sorted(parts, key=lambda one: (-parts[one][1], one))[:rest]
    return {one: part + (one in more) for one, (part, _) in sorted(parts.items())}


def load(
    wanted: Wanted,
    version: int,
    *,
    swap: bool,
    old_first: bool = False,
    standing: Standing | None,
) -> Wanted:
    """Return what is wanted once ``version`` was asked for; it stands so now, if at all.

    ``swap``: it takes all traffic once it is ready, and who has traffic now is unloaded then; or
    ``old_first``, if it is not there already.

    Raises:
        Unchanged: it is loaded, or on its way, and nothing would change.
        Unwanted: who is to end first may not.
    """
    comes = standing is not None and standing.state in (State.FAILED, State.STANDBY)
    anew = wanted.versions.get(version, 0) + (version in wanted.versions and comes)
    after = replace(
        wanted,
        versions={**wanted.versions, version: anew},
        unloaded=wanted.unloaded - {version},
    )
    if swap and not _has_all(wanted, version):
        pending = _swap(after, version, old_first=old_first and (standing is None or comes))
        if pending.old_first and (ruled := pending.unload & set(wanted.traffic.named)):
            one = min(ruled)
            raise Unwanted(
                f"version {one} is to end first, and {wanted.traffic.named[one]} leads to it: move "
                "that first"
            )
        after = replace(after, pending=pending)
    if after == wanted:
        state = standing.state.value if standing else "on its way"
        raise Unchanged(
            f"version {version} is {state} already; to load changed files give them a new number, "
            "or unload it first"
        )
    return after


def _swap(wanted: Wanted, version: int, *, old_first: bool) -> Pending:
    had = frozenset(one for one, share in (wanted.shares or {}).items() if share)
    return move(wanted, {version: WHOLE}, had - {version}, old_first=old_first)


def move(
    wanted: Wanted, shares: Mapping[int, int], gone: frozenset[int], *, old_first: bool = False
) -> Pending:
    """Return how traffic is divided so once all who get some are ready, and who goes then.

    Where who has it ends, or has ended, for others, it is moved ``old_first`` whatever is said:
    nobody serves meanwhile, and who was to come goes.
    """
    now = wanted.pending
    if now is not None and now.old_first:
        gone = (gone | now.unload | set(now.shares)) - set(shares)
        return Pending(shares, gone, old_first=True)
    return Pending(shares, gone, old_first and bool(gone))


def _has_all(wanted: Wanted, version: int) -> bool:
    return wanted.shares is not None and wanted.shares.get(version) == WHOLE


def unload(wanted: Wanted, version: int) -> Wanted:
    """Return what is wanted without ``version``.

    Raises:
        Unwanted: it is not loaded, or requests that name no version go to it.
    """
    if version not in wanted.versions:
        raise Unwanted(f"version {version} is not loaded; {loaded(wanted)}")
    share = (wanted.shares or {}).get(version, 0)
    others = sorted(set(wanted.versions) - {version})
    if share and others and (judged := wanted.traffic.judged):
        raise Unwanted(
            f"version {version} has {share / 100:g} % of the traffic, which rollout "
            f"{judged[0].rollout} divides: `headrace rollout stop {judged[0].rollout}`, or promote "
            "or rollback, ends that first"
        )
    if share and others:
        raise Unwanted(
            f"version {version} has {share / 100:g} % of the traffic: move that first, as with "
            f"{others[-1]}=100 in `headrace split`, or unload the whole model"
        )
    if others and version in wanted.traffic.named:
        raise Unwanted(
            f"{wanted.traffic.named[version]} leads to version {version}: move that first"
        )
    return unloaded(wanted, frozenset({version}))


def unload_all(wanted: Wanted) -> Wanted:
    """Return what is wanted of a model that is to be gone.

    Raises:
        Unwanted: nothing of it is loaded.
    """
    if not wanted.versions:
        raise Unwanted("nothing of it is loaded")
    return unloaded(wanted, frozenset(wanted.versions))


def unloaded(wanted: Wanted, gone: frozenset[int]) -> Wanted:
    """Return what is wanted without ``gone``; what was to come to them stays where it is."""
    pending, left = wanted.pending, _without(wanted.shares, gone)
    if pending is not None and gone & set(pending.shares):
        pending = Pending(left, gone, old_first=True) if pending.old_first and left else None
    return replace(
        wanted,
        versions={one: anew for one, anew in wanted.versions.items() if one not in gone},
        unloaded=wanted.unloaded | gone,
        shares=left,
        pending=pending,
        traffic=routes.only(wanted.traffic, set(wanted.versions) - gone),
    )


def loaded(wanted: Wanted) -> str:
    """Return which versions are loaded, in words."""
    there = ", ".join(str(one) for one in sorted(wanted.versions))
    return f"loaded are {there}" if there else "none is"
