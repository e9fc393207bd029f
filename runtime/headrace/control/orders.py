"""What operators order: a change of what is wanted, and the words for it. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from headrace.control import moving, traffic
from headrace.control import wanted as words
from headrace.control.aim import spares
from headrace.control.traffic import Shadow, Traffic
from headrace.control.wanted import Wanted
from headrace.errors import Unwanted
from headrace.execution.policy import WHOLE
from headrace.models.lifecycle import Standing

#: How the versions of a model stand, by number.
Standings = Mapping[int, Standing]


@dataclass(frozen=True)
class Order:
    """One change of what is wanted of a model."""

    model: str
    #: For the journal.
    what: str
    #: Raises Unwanted where it cannot be.
    change: Callable[[Wanted, Standings], Wanted]


def unload(model: str, version: int | None) -> Order:
    """End a version once it has answered what it took; the whole model if none is named."""
    if version is None:
        return Order(model, "unload", lambda now, _: words.unload_all(now))
    return Order(model, f"unload {version}", lambda now, _: words.unload(now, version))


def evict(model: str, version: int) -> Order:
    """Unload a version that nothing leads to, so that another one has its memory."""

    def changed(now: Wanted, _: Standings) -> Wanted:
        if version not in spares(now):
            raise Unwanted(f"{model}/{version} is in use by now")
        return words.unload(now, version)

    return Order(model, f"unload {version}", changed)


def split(model: str, shares: Mapping[int, int]) -> Order:
    """Divide the requests that name no version, in parts of `WHOLE`."""
    parts = " ".join(f"{one}={share / 100:g}" for one, share in sorted(shares.items()))
    return Order(model, f"split {parts}", lambda now, stand: moving.split(now, shares, stand))


def alias(model: str, name: str, version: int | None) -> Order:
    """Have requests that name an alias answered by a version, or by nobody any more."""
    what = f"alias --remove {name}" if version is None else f"alias {name} {version}"
    return _route(model, what, lambda now: traffic.alias(now, name, version), version)


def rule(model: str, where: str, value: str, version: int | None) -> Order:
    """Have requests that carry a value go to a version, or not any more.

    Raises:
        Unwanted: ``where`` is no place in a request.
    """
    place = traffic.fact(where)
    what = (
        f"rule --remove {place}={value}" if version is None else f"rule {place}={value} {version}"
    )
    return _route(model, what, lambda now: traffic.rule(now, place, value, version), version)


def stick(model: str, where: str | None) -> Order:
    """Have requests of the same value go to the same version, or be drawn each by itself.

    Raises:
        Unwanted: ``where`` is no place in a request.
    """
    place = None if where is None else traffic.fact(where)
    what = f"sticky {place or '--off'}"
    return _route(model, what, lambda now: replace(now, sticky=place), None)


def shadow(model: str, new: Shadow) -> Order:
    """Have copies of a share of the traffic go to a version, whose answers nobody gets."""
    said = f"{' --repeatable' * new.repeatable}{' --apart' * new.apart}"
    said += f" --keep-worst {new.keep_worst}" if new.keep_worst else ""
    what = f"shadow {new.version} --percent {new.share / 100:g}{said}"

    def changed(now: Wanted, standings: Standings) -> Wanted:
        moving.check(new.version, now, standings)
        if not 0 < new.share <= WHOLE:
            raise Unwanted(f"a shadow gets more than 0 and at most 100 %, not {new.share / 100:g}")
        if not 0 <= new.keep_worst <= traffic.MOST_KEPT:
            raise Unwanted(f"a shadow keeps 0 to {traffic.MOST_KEPT} pairs, not {new.keep_worst}")
        if (now.shares or {}).get(new.version) == WHOLE:
            raise Unwanted(f"version {new.version} has all the traffic: there is none to copy")
        return replace(now, traffic=traffic.shadow(now.traffic, new))

    return Order(model, what, changed)


def unshadow(model: str, version: int) -> Order:
    """Send a version no copies any more."""

    def changed(now: Wanted, _: Standings) -> Wanted:
        return replace(now, traffic=traffic.without_shadow(now.traffic, version))

    return Order(model, f"shadow {version} off", changed)


def _route(
    model: str, what: str, change: Callable[[Traffic], Traffic], version: int | None
) -> Order:
    def changed(now: Wanted, standings: Standings) -> Wanted:
        if version is not None:
            moving.check(version, now, standings)
        pending = now.pending
        if version is not None and pending and pending.old_first and version in pending.unload:
            raise Unwanted(f"version {version} is about to end for another: wait for that first")
        return replace(now, traffic=change(now.traffic))

    return Order(model, what, changed)
