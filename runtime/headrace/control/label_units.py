"""What labels say to rollouts: each labelled prediction is a unit of every metric it tells of."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from headrace.config.rollouts import Judge
from headrace.control.label_tables import UNITS
from headrace.feedback.joining import Fitting, wrong_share
from headrace.rollout.bets import NONE, Units
from headrace.rollout.criteria import badness


class Judged(NamedTuple):
    """A rollout that labels are counted for, of predictions made since, in seconds since 1970."""

    rollout: int
    since_s: float
    judge: Judge


def told(connection: Connection, model: str, rollout: int) -> dict[int, dict[str, Units]]:
    """Return what labels have said to a rollout, by version and metric."""
    columns = UNITS.c.version, UNITS.c.metric, UNITS.c.count, UNITS.c.bad
    mine = UNITS.c.model == model, UNITS.c.rollout == rollout
    found: dict[int, dict[str, Units]] = {}
    for version, metric, count, bad in connection.execute(select(*columns).where(*mine)):
        found.setdefault(version, {})[metric] = Units(float(count), float(bad))
    return found


def tell(connection: Connection, new: Sequence[Fitting], judged: Mapping[str, Judged]) -> None:
    """Count what labels that come say to the rollouts of their models."""
    found: dict[tuple[str, int, int, str], Units] = {}
    for one in new:
        made = one.prediction
        rollout = judged.get(made.model)
        if rollout is None or made.made_s < rollout.since_s:
            continue
        for metric, bad in said(one, rollout.judge).items():
            place = (made.model, rollout.rollout, made.version, metric)
            found[place] = found.get(place, NONE) + Units(1, bad)
    for (model, rollout_number, version, metric), units in found.items():
        of_model = UNITS.c.model == model
        connection.execute(delete(UNITS).where(of_model, UNITS.c.rollout < rollout_number))
        place_of = {"rollout": rollout_number, "version": version, "metric": metric}
        mine = of_model, *(UNITS.c[name] == value for name, value in place_of.items())
        more = {
            UNITS.c.count: UNITS.c.count + int(units.count),
            UNITS.c.bad: UNITS.c.bad + units.bad,
        }
        if not connection.execute(update(UNITS).where(*mine).values(more)).rowcount:
            first = {"count": int(units.count), "bad": units.bad}
            connection.execute(insert(UNITS).values(model=model, **place_of, **first))


def said(one: Fitting, judge: Judge) -> dict[str, float]:
    """Return how bad a prediction was, from 0 to 1, by each metric that its label tells of."""
    label = one.label
    found = {
        name: badness(asked, label.scores[name])
        for name, asked in judge.values.items()
        if name in label.scores
    }
    if judge.accuracy is not None and label.label is not None:
        wrong = wrong_share(one.prediction, label.label)
        if wrong is not None:
            found["accuracy"] = wrong
    return found
