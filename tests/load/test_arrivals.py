"""Requests are due when the kind of load says so."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from headrace_load import arrivals


def test_constant_and_bursts_are_as_far_apart_as_they_say() -> None:
    assert list(islice(arrivals.constant(4), 4)) == [0, 0.25, 0.5, 0.75]
    assert list(islice(arrivals.bursts(4, 2), 5)) == [0, 0, 0.5, 0.5, 1]


def test_poisson_has_its_rate_and_no_memory() -> None:
    moments = np.fromiter(islice(arrivals.poisson(50, seed=3), 20_000), float)
    gaps = np.diff(moments)
    assert gaps.min() >= 0
    assert abs(gaps.mean() * 50 - 1) < 0.03
    # Of an exponential distribution the deviation is the mean, and a gap tells nothing of the next.
    assert abs(gaps.std() / gaps.mean() - 1) < 0.05
    assert abs(np.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 0.03
    assert list(islice(arrivals.poisson(50, seed=3), 5)) == moments[:5].tolist()


def test_a_trace_is_counted_from_its_first_moment(tmp_path: Path) -> None:
    file = tmp_path / "trace"
    file.write_text("# recorded\n1700000000.5\n\n1700000001\n1700000001\n")
    assert list(arrivals.parse(f"trace:{file}", 0, 1)) == [0, 0.5, 0.5]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["1", "x"], "line 2: expected a moment in seconds, not 'x'"),
        (["2", "1"], "line 2: 1 is before the moment of the line before"),
        (["nan"], "line 1: nan is before"),
    ],
)
def test_a_trace_that_is_none_is_refused(lines: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        list(arrivals.trace(lines))


@pytest.mark.parametrize("text", ["", "poison", "bursts", "bursts:0", "bursts:x", "poisson:3"])
def test_what_is_no_kind_of_load_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        arrivals.parse(text, 10, 1)


@pytest.mark.parametrize("rate", [0, -1, float("inf"), float("nan")])
def test_what_is_no_rate_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="expected a rate above 0"):
        arrivals.parse("poisson", rate, 1)
