"""Sends each request when it is due, and tells how long it took from then."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import gevent
from gevent.pool import Pool


@dataclass(frozen=True)
class Sent:
    """What became of one request. Times in seconds."""

    #: Which one it was, from 0.
    number: int
    #: From the moment when it was due until its answer was there: what a caller sees.
    latency: float
    #: From the moment when it was due until it was sent: the load generator's own delay.
    late: float
    #: What `send` returned, or nothing.
    answer: object = None
    #: What `send` raised.
    error: Exception | None = None


class Dropped(Exception):
    """A request was not sent: as many as may be were under way already."""


def pace(
    due: Iterable[float],
    send: Callable[[int], object],
    tell: Callable[[Sent], None],
    *,
    most: int,
    grace_s: float,
) -> None:
    """Call ``send`` with 0, 1, 2… at the moments ``due``, without waiting for its answers.

    ``tell`` hears of each request once: that it was answered, that it failed, or, with `Dropped`,
    that ``most`` were under way. After the last one the answers are waited for up to ``grace_s``.
    Must run in a greenlet; ``send`` must give way while it waits.
    """
    began = time.perf_counter()
    pool = Pool(most)

    def one(number: int, moment: float) -> None:
        late = time.perf_counter() - moment
        answer: object = None
        error: Exception | None = None
        try:
            answer = send(number)
        except Exception as failure:
            error = failure
        tell(Sent(number, time.perf_counter() - moment, late, answer, error))

    try:
        for number, moment in enumerate(due):
            wait = began + moment - time.perf_counter()
            if wait > 0:
                gevent.sleep(wait)
            elif number % 16 == 0:
                gevent.sleep(0)  # who is behind must not keep the answers from being read
            if pool.full():
                late = time.perf_counter() - began - moment
                tell(Sent(number, late, late, error=Dropped(f"{most} requests are under way")))
            else:
                pool.spawn(one, number, began + moment)
        pool.join(timeout=grace_s)
    finally:
        pool.kill()
