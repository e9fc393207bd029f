"""Who tells, and what became of it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.hooks.receiver import PATIENCE_S, SECRET, Receiver

from headrace.config import hooks
from headrace.hooks.courier import Patience, Standing
from headrace.hooks.event import Happened, Kind
from headrace.hooks.told import Origin, Told

HERE = Origin("//here", b"of the database")


def soon(tries: int) -> float:
    return 0.02


def never(tries: int) -> float:
    return 3600.0


@contextmanager
def telling(
    state: Path,
    *urls: str,
    said: list[str] | None = None,
    origin: Origin = HERE,
    **patience: Any,
) -> Iterator[Told]:
    read = hooks.read(urls, SECRET)
    hears = [] if said is None else said
    given = Patience(**{"retry": soon, **patience})
    told = Told(read, state, origin, hears.append, patience=given)
    try:
        yield told
    finally:
        told.close()


def tell(told: Told, *subjects: str, kind: Kind = Kind.FAILED) -> None:
    for subject in subjects:
        told.tell(Happened(kind, subject, {"reason": f"of {subject}"}))


def subjects(receiver: Receiver) -> list[str]:
    return [event["subject"] for _, event in receiver.events]


def until(told: Told, what: str, value: Any) -> Standing:
    deadline = time.monotonic() + PATIENCE_S
    while getattr(told.status()[0], what) != value:
        assert time.monotonic() < deadline, told.status()
        time.sleep(0.005)  # noqa: TID251 - waits for another thread
    return told.status()[0]


def waiting(state: Path) -> Sequence[Path]:
    return list((state / "hooks").rglob("*.json"))
