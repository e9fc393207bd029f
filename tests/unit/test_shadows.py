"""What is said of a shadow's answers."""

from typing import Any

import numpy as np
import pytest

from headrace.cli.tables import shadow_lines
from headrace.control.shadows import Word, judged, verdict

Told = dict[str, Any]


def floats(requests: int, rel: float, same: int = 0, *, median: float = -1, **more: Any) -> Told:
    """An output of floating-point numbers, as the gateway's statistics have it."""
    sizes = {
        "requests": requests,
        "broken": 0,
        "max_abs": rel,
        "max_rel": rel,
        "mean_rel": rel,
        "median_rel": rel if median < 0 else median,
        "p95_rel": rel,
        "min_cosine": 1.0,
        "ranked_rows": 0,
        "same_first": 0,
        "shared_first_five": 0.0,
        **more,
    }
    return output(requests, same, sizes=sizes)


def output(compared: int, same: int, *, unlike: int = 0, sizes: Told | None = None) -> Told:
    return {
        "name": "y",
        "compared": compared,
        "same": same,
        "unlike": unlike,
        "elements": compared,
        "unequal": compared - same,
        "sizes": sizes,
    }


def pairs(*outputs: Told, **more: Any) -> Told:
    """Pairs of answers of one output."""
    return {
        "compared": sum(one["compared"] for one in outputs),
        "failed": {},
        "primary_failed": 0,
        "both_failed": 0,
        "primary_ms": 1.0,
        "shadow_ms": 2.0,
        "outputs": list(outputs),
        **more,
    }


NOTHING = pairs()


@pytest.mark.parametrize(
    ("found", "noise", "word", "part"),
    [
        (NOTHING, NOTHING, Word.LITTLE, "0 of 20 pairs"),
        (pairs(floats(19, 1.0)), pairs(floats(19, 0)), Word.LITTLE, "19 of 20 pairs"),
        (pairs(floats(20, 0, same=20)), NOTHING, Word.SAME, "20 pairs of answers are equal"),
        # The injected change, beside its floor.
        (
            pairs(floats(40, 1e-2)),
            pairs(floats(8, 3e-7)),
            Word.DIFFERS,
            "y: max rel 1.0e-02, max abs 1.0e-02; floor 3.0e-07",
        ),
        (pairs(floats(40, 1e-2)), pairs(floats(8, 0, same=8)), Word.DIFFERS, "floor 0.0e+00"),
        (pairs(floats(40, 9e-7, median=3e-7)), pairs(floats(8, 3e-7)), Word.NOISE, "floor 3.0e-07"),
        # Few that are far off, and many that are a little.
        (pairs(floats(40, 4e-6, median=1e-7)), pairs(floats(8, 3e-7)), Word.DIFFERS, "4.0e-06"),
        (pairs(floats(40, 9e-7, median=8e-7)), pairs(floats(8, 3e-7)), Word.DIFFERS, "9.0e-07"),
        (
            pairs(floats(40, 1e-7, broken=1)),
            pairs(floats(8, 3e-7)),
            Word.DIFFERS,
            "1 not finite on one side",
        ),
        (pairs(floats(40, 1e-7, broken=1)), pairs(floats(8, 3e-7, broken=1)), Word.NOISE, "floor"),
        # The noise is not known yet, or never will be.
        (pairs(floats(199, 1e-2)), pairs(floats(7, 0)), Word.LITTLE, "7 of 8 runs"),
        (pairs(floats(200, 1e-2)), NOTHING, Word.DIFFERS, "0 of 8 runs"),
        # What is equal or is not.
        (pairs(output(40, 39)), pairs(output(8, 8)), Word.DIFFERS, "not equal in 1 of 40; floor 0"),
        (pairs(output(40, 30)), pairs(output(8, 6)), Word.NOISE, "not equal in 10 of 40; floor 2"),
        (pairs(output(40, 39, unlike=1)), NOTHING, Word.DIFFERS, "another shape or datatype in 1"),
        # Who fails.
        (
            pairs(output(30, 30), failed={"model_failed": 1, "expired": 2}),
            NOTHING,
            Word.DIFFERS,
            "fails 3 of 33 requests (expired 2, model_failed 1)",
        ),
        (pairs(failed={"expired": 20}), NOTHING, Word.DIFFERS, "fails 20 of 20"),
        (pairs(output(30, 30), primary_failed=1), NOTHING, Word.DIFFERS, "answers 1 that callers'"),
        (pairs(output(30, 30), both_failed=9), NOTHING, Word.SAME, "39 pairs"),
        (
            pairs(floats(40, 1e-2, ranked_rows=80, same_first=78)),
            pairs(floats(8, 3e-7)),
            Word.DIFFERS,
            "top-1 agrees in 97.5 %",
        ),
    ],
)
def test_verdicts(found: Told, noise: Told, word: Word, part: str) -> None:
    said = verdict(found, noise)
    assert said.word is word, said
    assert part in said.why


def test_what_people_read() -> None:
    against = [{"primary": 1, "found": pairs(floats(40, 1e-2)), "noise": pairs(floats(8, 3e-7))}]
    shadow = {
        "model": "m",
        "version": 2,
        "share": 2500,
        "repeatable": False,
        "copied": 50,
        "dropped": {"full": 7},
        "against": against,
    }
    (line,) = shadow_lines(judged(shadow))
    assert line == (
        "m/2 is a shadow of 25 % beside version 1: differs (y: max rel 1.0e-02, max abs 1.0e-02; "
        "floor 3.0e-07); 2 ms in the model's host beside 1; 50 copied, 7 dropped (full 7)"
    )
    (line,) = shadow_lines(judged({**shadow, "against": [], "dropped": {}}))
    assert line == "m/2 is a shadow of 25 %: nothing is compared yet; 50 copied, 0 dropped"


def drawn(dice: np.random.Generator, requests: int, scale: float) -> Told:
    """Errors of requests whose noise is log-normal, as the gateway would tell them."""
    rels = scale * dice.lognormal(0.0, 0.8, requests)
    return floats(requests, float(rels.max()), median=1.78 * float(np.median(rels)))


@pytest.mark.parametrize(("scale", "word"), [(1e-7, Word.NOISE), (3e-6, Word.DIFFERS)])
def test_noise_alone_is_no_difference_and_what_is_larger_is_one(scale: float, word: Word) -> None:
    dice = np.random.default_rng(11)
    for requests in (20, 200, 2000) * 100:
        noise = drawn(dice, 8 + requests // 50, 1e-7)
        said = verdict(pairs(drawn(dice, requests, scale)), pairs(noise))
        assert said.word is word, said
