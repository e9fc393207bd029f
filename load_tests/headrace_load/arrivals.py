"""When requests are due, in seconds since the beginning."""

import itertools
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

Arrivals = Iterator[float]


def constant(rate: float) -> Arrivals:
    """Yield moments that are equally far apart, ``rate`` a second."""
    return (number / rate for number in itertools.count())


def poisson(rate: float, seed: int) -> Arrivals:
    """Yield moments as callers have them who know nothing of each other, ``rate`` a second."""
    dice = random.Random(seed)
    now = 0.0
    while True:
        now += dice.expovariate(rate)
        yield now


def bursts(rate: float, size: int) -> Arrivals:
    """Yield ``size`` requests at the same moment, again and again; ``rate`` a second on average."""
    for number in itertools.count():
        yield from itertools.repeat(number * size / rate, size)


def trace(lines: Iterable[str]) -> Arrivals:
    """Yield the moments that a recording names, one on each line, counted from its first.

    Raises:
        ValueError: a line is no number, or an earlier moment than the one before.
    """
    first = last = None
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            moment = float(text)
        except ValueError:
            raise ValueError(
                f"line {number}: expected a moment in seconds, not {text[:40]!r}"
            ) from None
        if not moment >= (moment if last is None else last):  # what is no number is neither
            raise ValueError(f"line {number}: {text[:40]} is before the moment of the line before")
        first, last = (moment if first is None else first), moment
        yield moment - first


def parse(text: str, rate: float, seed: int) -> Arrivals:
    """Return what is meant by ``poisson``, ``constant``, ``bursts:SIZE`` or ``trace:FILE``.

    Raises:
        ValueError: it is none of these, or the rate is none.
        OSError: the trace cannot be read.
    """
    kind, _, detail = text.partition(":")
    if kind == "trace":
        return trace(Path(detail).read_text().splitlines())
    if not 0 < rate < float("inf"):
        raise ValueError(f"expected a rate above 0 a second, not {rate}")
    if kind == "bursts":
        if not detail.isdecimal() or int(detail) == 0:
            raise ValueError(f"expected bursts:SIZE with a size of 1 or more, not {text!r}")
        return bursts(rate, int(detail))
    if text == "poisson":
        return poisson(rate, seed)
    if text == "constant":
        return constant(rate)
    raise ValueError(f"expected poisson, constant, bursts:SIZE or trace:FILE, not {text!r}")
