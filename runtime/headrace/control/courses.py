"""Rollouts in the database: one row each, written in the transaction of what they change."""

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)

from headrace.rollout.course import Course
from headrace.rollout.keeping import from_json, to_json

#: Rollouts of a model that are kept.
MOST_KEPT: Final = 100
#: Of what is wrong with one.
MOST_CHARACTERS: Final = 500


def table(metadata: MetaData) -> Table:
    """Return the table of rollouts."""
    return Table(
        "rollout",
        metadata,
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("model", String(200), nullable=False),
        Column("goes_on", Boolean, nullable=False),
        Column("course", JSON, nullable=False),
    )


def write(connection: Connection, rollouts: Table, course: Course) -> None:
    """Write a rollout down, in the place of what was known of it; the oldest of its model go."""
    facts: dict[str, Any] = {
        "model": course.model,
        "goes_on": course.end is None,
        "course": to_json(course),
    }
    mine = rollouts.c.number == course.number
    if connection.execute(update(rollouts).where(mine).values(**facts)).rowcount:
        return
    connection.execute(insert(rollouts).values(number=course.number, **facts))
    of_model = select(rollouts.c.number).where(rollouts.c.model == course.model)
    newest = of_model.order_by(rollouts.c.number.desc()).offset(MOST_KEPT).limit(1)
    if (last := connection.execute(newest).scalar()) is not None:
        older = (rollouts.c.model == course.model) & (rollouts.c.number <= last)
        connection.execute(delete(rollouts).where(older & ~rollouts.c.goes_on))


def read(
    connection: Connection, rollouts: Table, say: Callable[[str], None]
) -> tuple[list[Course], int]:
    """Return all that are kept, the oldest first, and the last number that one has.

    What cannot be read, as another release has written it, is said and left out: it keeps no
    server from starting, and does not go on.
    """
    found = []
    rows = connection.execute(select(rollouts).order_by(rollouts.c.number)).mappings().all()
    for row in rows:
        try:
            found.append(from_json(row["course"]))
        except (KeyError, TypeError, ValueError) as error:
            say(
                f"rollout {row['number']} of {row['model']} cannot be read and does not go on "
                f"(traffic stays as it is): {type(error).__name__}: {error}"[:MOST_CHARACTERS]
            )
            mine = rollouts.c.number == row["number"]
            connection.execute(update(rollouts).where(mine).values(goes_on=False))
    return found, rows[-1]["number"] if rows else 0
