"""What every part of a model.yaml is."""

import itertools
import sys
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict

#: A week, for whoever wants no limit of time.
LONGEST_S = 604_800.0


class Section(BaseModel):
    """A part of model.yaml: what is not named here is an error, and nothing changes later."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    #: Keys that the design has and this release does not → what to do meanwhile.
    NOT_YET: ClassVar[dict[str, str]] = {}


class AtItem(ValueError):
    """What is wrong is further down than the field that is checked."""

    def __init__(self, below: tuple[str | int, ...], text: str) -> None:
        super().__init__(text)
        self.below = below


def _as_written(given: Any) -> Any:
    is_finite = isinstance(given, int) and abs(given) <= sys.float_info.max
    if is_finite and given != float(given):
        raise ValueError(
            f"expected a number that a float has, not {given}: the nearest is {int(float(given))}"
        )
    return given


#: Of whole numbers, too, none but itself: a float has not all of 64 bits.
AsWritten = Annotated[float, BeforeValidator(_as_written)]


def rising(given: tuple[int, ...]) -> tuple[int, ...]:
    """Return sizes that rise.

    Raises:
        ValueError: with the first that does not.
    """
    for smaller, larger in itertools.pairwise(given):
        if smaller >= larger:
            raise ValueError(f"expected sizes that rise, but {larger} follows {smaller}")
    return given
