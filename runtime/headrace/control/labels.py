"""Labels in the database: what was joined lately, and what is counted of each version."""

import json
import secrets
import threading
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from headrace.control.label_names import SEGMENT_KIND, Names
from headrace.control.label_tables import COUNT, JOINED, KEY, LABEL, NAME
from headrace.control.label_units import Judged, tell, told
from headrace.errors import StateInvalid, Unwanted
from headrace.feedback.joining import (
    SCORE,
    Count,
    Fitting,
    Label,
    Outcome,
    Verdict,
    counts,
    sort,
)
from headrace.feedback.prediction import KEY_BYTES, S_PER_HOUR
from headrace.rollout.bets import Units

#: Hours for which counts are kept; no label may take longer.
KEPT_HOURS: Final = 720
#: Predictions that are known to have a label: some 170 bytes each, with it.
MOST_JOINED: Final = 10_000_000
#: Predictions that are forgotten with each request: more than one request joins.
FORGOTTEN_AT_ONCE: Final = 5000

#: Model, version, segment, hour, and what is counted.
Place = tuple[str, int, str, int, str]
PLACE: Final = ("model", "version", "segment", "hour", "what")
Connecting = Callable[[], AbstractContextManager[Connection]]


class Labels:
    """Any thread may call this."""

    def __init__(
        self, reading: Connecting, deciding: Connecting, clock: Callable[[], float], key: bytes
    ) -> None:
        """Keep labels in the database of what is wanted.

        Args:
            reading: gives a connection in a transaction.
            deciding: the same, for whoever decides alone.
            clock: seconds since 1970.
            key: what ids are signed with.
        """
        self._reading, self._deciding, self._clock = reading, deciding, clock
        self._lock = threading.Lock()
        self._key = key
        self._joined: int | None = None
        self._pruned_hour = 0

    @property
    def key(self) -> bytes:
        """What ids of predictions are signed with, by all gateways of this database."""
        return self._key

    def join(
        self, labels: Sequence[Label], models: Container[str], judged: Mapping[str, Judged] = {}
    ) -> list[Verdict]:
        """Join labels with their predictions; return what became of each, once it is durable.

        Args:
            models: those that there are.
            judged: the rollouts that labels are counted for, by model.

        Raises:
            Unwanted: there is no room for as many; nothing was joined.
            Deposed, StateInvalid: as the store's.
        """
        fitting, verdicts = sort(labels, self._key, models, now_s := self._clock())
        if fitting:
            with self._lock:
                known = self._joined
                # Counted anew where it is not known whether this was committed.
                self._joined = None
                try:
                    with self._deciding() as connection:
                        hour = _until(connection, fitting, int(now_s) // S_PER_HOUR)
                        held = self._forget(connection, known, hour)
                        found = self._join(connection, held, fitting, judged)
                except Unwanted:
                    self._joined = known
                    raise
                new = sum(one.outcome is Outcome.JOINED for one in found.values())
                verdicts, self._joined, self._pruned_hour = verdicts | found, held + new, hour
        return [verdicts[at] for at in range(len(labels))]

    def _forget(self, connection: Connection, held: int | None, hour: int) -> int:
        """Let go of what is too old; return how many predictions with a label are left."""
        if hour > self._pruned_hour:
            connection.execute(delete(COUNT).where(COUNT.c.hour < hour - KEPT_HOURS))
            connection.execute(delete(NAME).where(~_is_counted()))
        if held is None:
            held = connection.execute(select(func.count()).select_from(JOINED)).scalar_one()
        old = select(JOINED.c.nonce).where(JOINED.c.until_hour < hour).limit(FORGOTTEN_AT_ONCE)
        late = list(connection.execute(old).scalars())
        for table in (LABEL, JOINED) if late else ():
            connection.execute(delete(table).where(table.c.nonce.in_(late)))
        return held - len(late)

    def _join(
        self,
        connection: Connection,
        held: int,
        fitting: Sequence[Fitting],
        judged: Mapping[str, Judged],
    ) -> dict[int, Verdict]:
        nonces = [_signed(one.prediction.nonce) for one in fitting]
        asked = select(JOINED.c.nonce).where(JOINED.c.nonce.in_(nonces))
        seen = set(connection.execute(asked).scalars())
        verdicts, new = dict[int, Verdict](), dict[int, Fitting]()
        for nonce, one in zip(nonces, fitting, strict=True):
            is_new = nonce not in seen and nonce not in new
            outcome = Outcome.JOINED if is_new else Outcome.TWICE
            verdicts[one.at] = Verdict(outcome, one.prediction)
            if is_new:
                new[nonce] = one
        if held + len(new) > MOST_JOINED:
            raise Unwanted(
                f"labels of {held} predictions are kept, and no more than {MOST_JOINED} can be: "
                "try again later, and write a smaller feedback.sample_percent or within_hours"
            )
        if new:
            _write(connection, new)
            _add(connection, _counted(connection, list(new.values())))
            tell(connection, list(new.values()), judged)
        return verdicts

    def said(self, nonce: int) -> tuple[float, ...] | None:
        """Return the label that a prediction has, a number for each row.

        Empty: what came of it had scores alone. None: nothing has come, or it is forgotten.
        """
        query = select(JOINED.c.nonce, LABEL.c.said).outerjoin(
            LABEL, LABEL.c.nonce == JOINED.c.nonce
        )
        with self._reading() as connection:
            found = connection.execute(query.where(JOINED.c.nonce == _signed(nonce))).first()
        return None if found is None else tuple(json.loads(found.said or "[]"))

    def units(self, model: str, rollout: int) -> dict[int, dict[str, Units]]:
        """Return what labels have said to a rollout, by version and metric."""
        with self._reading() as connection:
            return told(connection, model, rollout)

    def counted(self, model: str, hours: int) -> dict[int, dict[str, dict[str, Count]]]:
        """Return what is counted of predictions of the last hours, by version and segment."""
        since = int(self._clock()) // S_PER_HOUR - hours
        summed = (func.sum(COUNT.c.count), func.sum(COUNT.c.total), func.sum(COUNT.c.hits))
        keys = (COUNT.c.version, COUNT.c.segment, COUNT.c.what)
        query = select(*keys, *summed).where(COUNT.c.model == model, COUNT.c.hour >= since)
        with self._reading() as connection:
            rows = connection.execute(query.group_by(*keys).order_by(*keys)).all()
        found: dict[int, dict[str, dict[str, Count]]] = {}
        for version, segment, what, count, total, hits in rows:
            of_segment = found.setdefault(version, {}).setdefault(segment, {})
            of_segment[what] = Count(int(count), float(total), int(hits))
        return found


def prediction_key(connection: Connection) -> bytes:
    """Return what ids of predictions are signed with; who is the first to ask makes it.

    Raises:
        StateInvalid: somebody has put something else there.
    """
    kept = connection.execute(select(KEY.c.key)).scalar()
    if kept is None:
        kept = secrets.token_bytes(KEY_BYTES)
        connection.execute(insert(KEY).values(key=kept))
    if len(kept) != KEY_BYTES:
        raise StateInvalid(
            f"the key that ids of predictions are signed with has {len(kept)} bytes, and "
            f"{KEY_BYTES} are expected: delete it from prediction_key, and the next start makes one"
        )
    return bytes(kept)


def _until(connection: Connection, new: Sequence[Fitting], hour: int) -> int:
    """Return the hour by which things are old: a clock that is set wrong forgets nothing."""
    known = connection.execute(select(func.max(COUNT.c.hour))).scalar() or 0
    return min(hour, max(known, *(one.prediction.hour for one in new)) + 1)


def _write(connection: Connection, new: Mapping[int, Fitting]) -> None:
    rows = [
        {"nonce": nonce, "until_hour": one.prediction.until_s // S_PER_HOUR}
        for nonce, one in new.items()
    ]
    connection.execute(insert(JOINED), rows)
    labels = [
        {"nonce": nonce, "said": json.dumps(one.label.label)}
        for nonce, one in new.items()
        if one.label.label is not None
    ]
    if labels:
        connection.execute(insert(LABEL), labels)


def _counted(connection: Connection, new: Sequence[Fitting]) -> dict[Place, Count]:
    found: dict[Place, Count] = {}
    names = Names(connection)
    for one in new:
        model, version = one.prediction.model, one.prediction.of_version
        segment = names.segment(model, one.label.segment)
        for what, count in counts(one):
            if what.startswith(SCORE):
                names.check_score(model, what.removeprefix(SCORE))
            place = (model, version, segment, one.prediction.hour, what)
            found[place] = found.get(place, Count()).plus(count)
    return found


def _add(connection: Connection, counted: Mapping[Place, Count]) -> None:
    # In one statement: who decides waits meanwhile.
    sums = ("count", "total", "hits")
    new = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(COUNT)
    more = {name: COUNT.c[name] + new.excluded[name] for name in sums}
    rows = [
        dict(zip((*PLACE, *sums), (*place, one.count, one.total, one.right), strict=True))
        for place, one in counted.items()
    ]
    connection.execute(new.on_conflict_do_update(index_elements=PLACE, set_=more), rows)


def _is_counted() -> ColumnElement[bool]:
    """Whether anything is counted of a segment or a score."""
    of_model = COUNT.c.model == NAME.c.model
    of_segment = of_model & (COUNT.c.segment == NAME.c.name)
    of_score = of_model & (COUNT.c.what == literal(SCORE) + NAME.c.name)
    return case(
        (NAME.c.kind == SEGMENT_KIND, exists().where(of_segment)), else_=exists().where(of_score)
    )


def _signed(nonce: int) -> int:
    """Return 64 bits as a database has them."""
    return nonce - (1 << 64) if nonce >> 63 else nonce
