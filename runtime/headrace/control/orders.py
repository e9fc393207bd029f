"""What operators order: a change of what is wanted, and the words for it. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from headrace.control import traffic
from headrace.control import wanted as words
from headrace.control.traffic import Traffic
from headrace.control.wanted import Wanted
from headrace.errors import Unwanted
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


def split(model: str, shares: Mapping[int, int]) -> Order:
    """Divide the requests that name no version, in parts of `WHOLE`."""
    parts = " ".join(f"{one}={share / 100:g}" for one, share in sorted(shares.items()))
    return Order(model, f"split {parts}", lambda now, stand: words.split(now, shares, stand))


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


def _route(
    model: str, what: str, change: Callable[[Traffic], Traffic], version: int | None
) -> Order:
    def changed(now: Wanted, _: Standings) -> Wanted:
        if version is not None and version not in now.versions:
            raise Unwanted(f"version {version} is not loaded; {words.loaded(now)}")
        return replace(now, traffic=change(now.traffic))

    return Order(model, what, changed)
