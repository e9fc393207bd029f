"""How traffic moves: at once, or once those are ready that take it. Pure."""

from collections.abc import Mapping, Set
from dataclasses import replace

from headrace.control.wanted import Pending, Wanted, loaded, move, unloaded
from headrace.errors import Unwanted
from headrace.execution.policy import AWAITED, WHOLE
from headrace.models.lifecycle import ANSWERING, ON_THE_WAY, Standing, State


def split(wanted: Wanted, shares: Mapping[int, int], standings: Mapping[int, Standing]) -> Wanted:
    """Return what is wanted with traffic divided so, in parts of `WHOLE`; others get none.

    Versions that are on their way are waited for; until then all stays as it is.

    Raises:
        Unwanted: a version is not loaded, or could not be; the parts do not add up.
    """
    shares = {one: share for one, share in sorted(shares.items()) if share}
    if sum(shares.values()) != WHOLE or any(share < 0 for share in shares.values()):
        told = ", ".join(f"{one}={share / 100:g}" for one, share in shares.items())
        raise Unwanted(f"the parts should add up to 100 %, and none be negative: {told or 'none'}")
    for version in shares:
        check(version, wanted, standings)
    return moved(wanted, move(wanted, shares, frozenset()), standings)


def check(version: int, wanted: Wanted, standings: Mapping[int, Standing]) -> None:
    """Check that a version that requests are to go to may answer them, now or once it is loaded.

    Raises:
        Unwanted: it is not loaded, or could not be.
    """
    if version not in wanted.versions:
        raise Unwanted(f"version {version} is not loaded; {loaded(wanted)}")
    one = standings.get(version)
    if one is not None and one.state is State.FAILED:
        raise Unwanted(f"version {version} failed: {one.reason}")


def moved(wanted: Wanted, pending: Pending, standings: Mapping[int, Standing]) -> Wanted:
    """Return it with traffic divided as is ``pending``: at once, if all who get some are ready.

    Whom an alias or a rule leads to stays.
    """
    if all(one in standings and standings[one].state in ANSWERING for one in pending.shares):
        gone = pending.unload - set(wanted.traffic.named)
        after = replace(wanted, pending=None)
        return replace(unloaded(after, gone) if gone else after, shares=pending.shares)
    return replace(wanted, pending=pending)


def undone(now: Wanted, before: Wanted, standings: Mapping[int, Standing]) -> Wanted:
    """Return the way back to what was wanted ``before``.

    Who had traffic then is loaded first where he is gone, and takes it once he is ready. Who had it
    ended for others has it again ``old_first``, too.
    """
    versions = {**before.versions, **now.versions}
    # Who is judged is the rollout's, which goes on or has ended.
    traffic = replace(before.traffic, judged=now.traffic.judged, control=now.traffic.control)
    back = replace(
        now, versions=versions, unloaded=before.unloaded - set(versions), traffic=traffic
    )
    gone = frozenset(set(back.versions) - set(before.versions))
    is_moving = now.pending is not None and now.pending.old_first
    if before.shares is None or (before.shares == now.shares and not is_moving):
        kept = replace(back, pending=None)
        return unloaded(kept, gone) if gone else kept
    old_first = before.pending is not None and before.pending.old_first
    if old_first:
        gone |= set(now.shares or {}) - set(before.shares)
    return moved(back, move(back, before.shares, gone, old_first=old_first), standings)


def settle(
    wanted: Wanted, standings: Mapping[int, Standing], barred: Set[int] = frozenset()
) -> tuple[Wanted, str] | None:
    """Return what follows by itself from how versions stand now, and what to call it; or None.

    ``barred``: versions that get no traffic by that.
    """
    pending = wanted.pending
    if pending is not None:
        for version in pending.shares:
            one = standings.get(version)
            if one is not None and one.state is State.FAILED:
                return _stays(wanted, pending, version, f"version {version} failed: {one.reason}")
        after = moved(wanted, pending, standings)
        gone = set(wanted.versions) - set(after.versions)
        return None if after == wanted else (after, _told(pending, gone))
    free = set(wanted.versions) - barred
    if wanted.shares is None and free:
        states = {one: standings[one].state for one in free if one in standings}
        ready = [one for one, state in states.items() if state is State.READY]
        if ready and len(states) == len(free) and not ON_THE_WAY & set(states.values()):
            version = max(ready)
            told = f"split {version}=100: the highest version that is ready"
            return replace(wanted, shares={version: WHOLE}), told
    return None


def _stays(wanted: Wanted, pending: Pending, failed: int, why: str) -> tuple[Wanted, str]:
    """Leave traffic where it is; who has ended for what ``failed`` is loaded again."""
    had = wanted.shares or {}
    if not pending.old_first:
        return replace(wanted, pending=None), f"stays as it was: {why}"
    if not had or failed in had:
        after = unloaded(replace(wanted, pending=None), pending.unload - set(had))
        return after, f"stays as it was: {why}"
    gone = frozenset(pending.shares) - set(had)
    back = Pending(had, gone, old_first=True, back=why)
    return replace(wanted, pending=back), f"load {' '.join(map(str, sorted(had)))} again: {why}"


def _told(pending: Pending, gone: Set[int]) -> str:
    parts = " ".join(f"{one}={share / 100:g}" for one, share in sorted(pending.shares.items()))
    ends = ", ".join(str(one) for one in sorted(gone))
    why = f": {pending.back}" if pending.back else ""
    return f"split {parts}: ready now" + (f"; unload {ends}{why}" if ends else "")


def outcome(wanted: Wanted, version: int, standing: Standing) -> Standing | None:
    """Return how a version that was asked for ends: ready, failed or gone; None while it comes.

    It is ready once it has what traffic it is to have.
    """
    if version not in wanted.versions:
        return Standing(State.GONE, "it was unloaded meanwhile")
    pending = wanted.pending
    if pending is not None and pending.back and version in pending.unload:
        return Standing(State.FAILED, pending.back)
    if standing.state is State.FAILED:
        return standing
    waits = pending is not None and version in pending.shares
    return standing if standing.state is State.READY and not waits else None


def absent(wanted: Wanted, version: int) -> Standing:
    """Return how a version stands that is wanted, and that nothing is there of."""
    pending = wanted.pending
    if pending is None or not pending.old_first:
        return AWAITED
    if version in pending.shares and pending.unload:
        ends = " and ".join(str(one) for one in sorted(pending.unload))
        return Standing(State.DECLARED, f"is loaded once version {ends} has ended")
    if version not in pending.unload:
        return AWAITED
    if pending.back:
        return Standing(State.FAILED, pending.back)
    comes = " and ".join(str(one) for one in sorted(pending.shares))
    return Standing(State.DECLARED, f"has ended for version {comes}; comes back if that fails")
