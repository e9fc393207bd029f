"""Rollouts in the database: one row each, written in the transaction of what they change."""

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
    insert,
    select,
    update,
)

from headrace.rollout.course import Course
from headrace.rollout.keeping import from_json, to_json

#: Rollouts that have ended and can be looked at.
MOST_ENDED: Final = 100


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
    """Write a rollout down, in the place of what was known of it before."""
    facts: dict[str, Any] = {
        "model": course.model,
        "goes_on": course.end is None,
        "course": to_json(course),
    }
    mine = rollouts.c.number == course.number
    if not connection.execute(update(rollouts).where(mine).values(**facts)).rowcount:
        connection.execute(insert(rollouts).values(number=course.number, **facts))


def read(connection: Connection, rollouts: Table) -> list[Course]:
    """Return all that go on and the last that have ended, the oldest first."""
    newest = select(rollouts.c.course).order_by(rollouts.c.number.desc())
    on = connection.execute(newest.where(rollouts.c.goes_on)).scalars().all()
    ended = connection.execute(newest.where(~rollouts.c.goes_on).limit(MOST_ENDED)).scalars().all()
    return sorted((from_json(kept) for kept in (*on, *ended)), key=lambda one: one.number)
