"""What a shadow's answers say of its version: a word, and numbers. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from headrace.repository.instances import version_of

#: Pairs of answers, from which on something is said.
ENOUGH: Final = 20
#: Answers of the same version to the same requests, from which on they are a measure.
ENOUGH_NOISE: Final = 8
#: Pairs after which no more noise is waited for: a version that may not run twice has none.
NO_MORE: Final = 200
#: Half of the errors are to be no larger than the noise, and none more than ten times: the largest
#: of many is larger than that of few. The half is known to a factor of two.
HALF: Final = 2.0
LARGEST: Final = 10.0

Told = Mapping[str, Any]


class Word(StrEnum):
    """A verdict."""

    SAME = "same"
    NOISE = "within noise"
    DIFFERS = "differs"
    LITTLE = "too little"


@dataclass(frozen=True)
class Verdict:
    """Of one shadow beside one version."""

    word: Word
    why: str

    def __str__(self) -> str:
        return f"{self.word}: {self.why}"


def verdict(found: Told, noise: Told) -> Verdict:
    """Return what pairs of answers say, as the gateway's statistics tell them.

    ``found``: of the shadow and the version that callers had; ``noise``: of that version and
    itself, run again.
    """
    pairs = _pairs(found)
    if pairs < ENOUGH:
        return Verdict(Word.LITTLE, f"{pairs} of {ENOUGH} pairs of answers")
    ends = list(_ends(found, pairs))
    outputs = [(one["name"], _output(one, _of(noise, one["name"]))) for one in found["outputs"]]
    differing = [f"{name}: {one.why}" for name, one in outputs if one.word is Word.DIFFERS]
    if ends or differing:
        return Verdict(Word.DIFFERS, "; ".join([*ends, *differing]))
    for word in (Word.LITTLE, Word.NOISE):
        said = [f"{name}: {one.why}" for name, one in outputs if one.word is word]
        if said:
            return Verdict(word, "; ".join(said))
    return Verdict(Word.SAME, f"{pairs} pairs of answers are equal")


def judged(shadow: Told) -> dict[str, Any]:
    """Return a row of the gateway's statistics with its verdicts, for people and programs."""
    against = []
    for one in shadow["against"]:
        said = verdict(one["found"], one["noise"])
        row = {**one, "verdict": said.word.value, "why": said.why}
        against.append({**row, "primary": version_of(one["primary"])})
    return {**shadow, "version": version_of(shadow["version"]), "against": against}


def _pairs(found: Told) -> int:
    ends = sum(found["failed"].values()) + found["primary_failed"] + found["both_failed"]
    return int(found["compared"] + ends)


def _ends(found: Told, pairs: int) -> Iterator[str]:
    failed = sum(found["failed"].values())
    if failed:
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(found["failed"].items()))
        yield f"fails {failed} of {pairs} requests ({kinds})"
    if found["primary_failed"]:
        yield f"answers {found['primary_failed']} that callers' version failed"


def _of(noise: Told, name: str) -> Told | None:
    return next((one for one in noise["outputs"] if one["name"] == name), None)


def _output(found: Told, noise: Told | None) -> Verdict:
    compared = found["compared"]
    if found["unlike"]:
        what = f"another shape or datatype in {found['unlike']} of {compared}"
        return Verdict(Word.DIFFERS, what)
    different = compared - found["same"]
    if not different:
        return Verdict(Word.SAME, "equal")
    sizes = found["sizes"]
    measured = noise["compared"] if noise else 0
    if sizes is None:
        size = f"not equal in {different} of {compared}"
    else:
        size = f"max rel {sizes['max_rel']:.1e}, max abs {sizes['max_abs']:.1e}{_ranks(sizes)}"
        size += f", {sizes['broken']} not finite on one side" if sizes["broken"] else ""
    if noise is None or measured < ENOUGH_NOISE:
        word = Word.DIFFERS if compared >= NO_MORE else Word.LITTLE
        floor = f"{measured} of {ENOUGH_NOISE} runs that tell the noise"
        return Verdict(word, f"{size}; {floor}")
    word = Word.NOISE if _is_noise(found, noise) else Word.DIFFERS
    return Verdict(word, f"{size}; {_floor(noise)}")


def _floor(noise: Told) -> str:
    sizes = noise["sizes"]
    if sizes is None:
        differing = noise["compared"] - noise["same"]
        return f"floor {differing} of {noise['compared']}"
    return f"floor {sizes['max_rel']:.1e}"


def _is_noise(found: Told, noise: Told) -> bool:
    sizes, floor = found["sizes"], noise["sizes"]
    if sizes is None or floor is None:
        rate = (found["compared"] - found["same"]) / found["compared"]
        return bool(rate <= HALF * (noise["compared"] - noise["same"]) / noise["compared"])
    half = sizes["median_rel"] <= HALF * floor["max_rel"]
    largest = sizes["max_rel"] <= LARGEST * floor["max_rel"]
    return bool(half and largest and (floor["broken"] or not sizes["broken"]))


def _ranks(sizes: Told) -> str:
    rows = sizes["ranked_rows"]
    if not rows:
        return ""
    return f", top-1 agrees in {100 * sizes['same_first'] / rows:.4g} %"
