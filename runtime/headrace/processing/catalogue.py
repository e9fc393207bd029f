"""Which step an entry of model.yaml is."""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from headrace.config.processing import (
    EncodeFeatures,
    Labels,
    LogMel,
    OneStep,
    PadRagged,
    PreprocessImages,
    SoftmaxTopK,
    SuppressBoxes,
    Tokenize,
)
from headrace.config.section import Section
from headrace.errors import ModelInvalid
from headrace.processing.audio import LogMelStep
from headrace.processing.detection import SuppressStep
from headrace.processing.features import EncodeStep
from headrace.processing.images import ImageStep
from headrace.processing.ragged import PadStep
from headrace.processing.ranking import LabelStep, RankStep
from headrace.processing.step import Step
from headrace.processing.text import TokenizeStep


class Makes(Protocol):
    """A class of steps."""

    name: str

    def __call__(self, said: Any, /) -> Step:
        """Return the step of which model.yaml says this, or raise TypeError or ValueError."""


STEPS: Final[Mapping[type[Section], Makes]] = {
    PreprocessImages: ImageStep,
    Tokenize: TokenizeStep,
    EncodeFeatures: EncodeStep,
    LogMel: LogMelStep,
    PadRagged: PadStep,
    SoftmaxTopK: RankStep,
    SuppressBoxes: SuppressStep,
    Labels: LabelStep,
}


def step_of(entry: OneStep) -> Step:
    """Return the step.

    Raises:
        ModelInvalid: what it says of itself cannot be.
    """
    makes = STEPS[type(entry.step)]
    try:
        return makes(entry.step)
    except (TypeError, ValueError) as error:
        raise ModelInvalid(f"{makes.name}: {error}") from error
