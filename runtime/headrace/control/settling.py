"""What follows by itself from how versions stand, of all models. Pure."""

from collections.abc import Callable, Mapping

from headrace.control import moving
from headrace.control.starting import ITSELF
from headrace.control.store import Change, Note
from headrace.control.wanted import Wanted
from headrace.models.lifecycle import Standing


def settled(
    wanted: Mapping[str, Wanted],
    stand: Mapping[str, Mapping[int, Standing]],
    barred: Callable[[str], frozenset[int]],
) -> list[Change]:
    """Return the changes; ``barred`` returns a model's versions that get no traffic by them."""
    return [
        Change(model, now, found[0], Note(ITSELF, found[1]))
        for model, now in wanted.items()
        if (found := moving.settle(now, stand.get(model, {}), barred(model))) is not None
    ]
