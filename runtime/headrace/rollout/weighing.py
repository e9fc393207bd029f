"""How many units what took too long is: what hangs together is less than it is many. Pure."""

from headrace.rollout.bets import Units
from headrace.rollout.deltas import Deltas
from headrace.rollout.latency import QUANTILES
from headrace.rollout.record import Record
from headrace.rollout.swings import Level, Swings
from headrace.rollout.together import Together, apart


def observed(  # noqa: PLR0913 - a stretch is all of this
    record: Record,
    swings: Swings,
    found: Deltas,
    came: tuple[Level, Level],
    together: tuple[Together, Together],
    passed_s: float,
) -> tuple[Record, Swings]:
    """Return a record, and what is known of its arms' swings, with a stretch more.

    Units of latency count by what is `apart` in a moment, and not more than the design effect of
    `Swings` leaves over time, which is known from what came before the stretch.

    Args:
        record: so far.
        swings: so far.
        found: what ended in the stretch, by metric.
        came: what both arms answered in it.
        together: the most of each arm's units so far that waited at one moment.
        passed_s: how long it was.
    """
    lengths = {name: units for name, units in found.items() if name in QUANTILES}
    if not lengths:
        return record.observed(found), swings
    weighed = {
        name: _thinned(apart(units, together, passed_s), units, swings.effect)
        for name, units in lengths.items()
    }
    # Each execution, or user, is a unit of every quantile.
    name, units = next(iter(lengths.items()))
    swings, kept = swings.weighing(units, weighed[name])
    record = record.discounted(lengths, kept).observed({**found, **weighed})
    return record, swings.seen(units, came)


def per_s(units_per_s: float, together: Together, effect: float) -> float:
    """Return how many of the units that end in a second, above 0, have weight."""
    units = Units(units_per_s, 0.0)
    most = apart((units, units), (together, together), 1.0)
    return _thinned(most, (units, units), effect)[0].count


def _thinned(
    apart: tuple[Units, Units], found: tuple[Units, Units], effect: float
) -> tuple[Units, Units]:
    one, other = (
        _at_most(units, whole.count / effect) for units, whole in zip(apart, found, strict=True)
    )
    return one, other


def _at_most(units: Units, count: float) -> Units:
    if units.count <= count:
        return units
    part = count / units.count
    return Units(units.count * part, units.bad * part)
