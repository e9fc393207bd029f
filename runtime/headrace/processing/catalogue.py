"""Which step an entry of model.yaml is."""

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
from headrace.processing.audio import LogMelStep
from headrace.processing.detection import SuppressStep
from headrace.processing.features import EncodeStep
from headrace.processing.images import ImageStep
from headrace.processing.ragged import PadStep
from headrace.processing.ranking import LabelStep, RankStep
from headrace.processing.step import Step
from headrace.processing.text import TokenizeStep


def step_of(entry: OneStep) -> Step:
    """Return the step.

    Raises:
        ModelInvalid: what it says of itself cannot be.
    """
    match entry.step:
        case PreprocessImages() as said:
            return ImageStep(said)
        case Tokenize() as said:
            return TokenizeStep(said)
        case EncodeFeatures() as said:
            return EncodeStep(said)
        case LogMel() as said:
            return LogMelStep(said)
        case PadRagged() as said:
            return PadStep(said)
        case SoftmaxTopK() as said:
            return RankStep(said)
        case SuppressBoxes() as said:
            return SuppressStep(said)
        case Labels() as said:
            return LabelStep(said)
        case other:
            raise AssertionError(f"{other} is no step")
