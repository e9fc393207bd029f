"""What may be written under ``preprocess`` and ``postprocess`` in a model.yaml."""

from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from headrace.config.section import AsWritten, Section, rising


def _inside(given: str) -> str:
    path = PurePosixPath(given)
    if path.is_absolute() or ".." in path.parts or "\0" in given:
        raise ValueError(f"expected a file in the version's folder, not {given!r}")
    return given


def _above_zero(given: tuple[float, ...]) -> tuple[float, ...]:
    if any(one <= 0 for one in given):
        raise ValueError(f"expected numbers above 0, not {list(given)}: it is divided by them")
    return given


Name = Annotated[str, Field(min_length=1)]
File = Annotated[str, Field(min_length=1), AfterValidator(_inside)]
Side = Annotated[int, Field(ge=1, le=16_384)]
#: Of a row: tokens, frames, items of a list.
Length = Annotated[int, Field(ge=1, le=1 << 20)]
#: Of a table.
Columns = Annotated[tuple[float, ...], Field(strict=False, max_length=1 << 16)]
Float = Literal["FP32", "FP16", "BF16"]
#: Where what is missing stands.
PadSide = Literal["right", "left"]
Channels = Annotated[tuple[float, ...], Field(strict=False, min_length=3, max_length=3)]
#: A row's best; the kernel keeps so many in registers.
MOST_K = 16


class PreprocessImages(Section):
    """JPEG, PNG and WebP files, one a row, become pictures of one size.

    What is written is (level / divide_by - mean) / std, where levels are 0 to 255.
    """

    input: Name = Field(description="What callers send: BYTES [1], a file.")
    output: Name = Field(description="The input of the model that it becomes.")
    height: Side
    width: Side
    fit: Literal["stretch", "letterbox", "crop"] = Field(
        "stretch",
        description="crop: the shorter side becomes resize_to and the centre is cut out. "
        "letterbox: it fits inside, with fill around it.",
    )
    resize_to: Side | None = Field(
        None, description="Of fit: crop. Default: the larger of height and width."
    )
    filter: Literal["nearest", "bilinear", "bicubic"] = "bilinear"
    antialias: bool = Field(True, description="As Pillow resizes; false: as torch interpolates.")
    bgr: bool = Field(False, description="Blue comes first.")
    divide_by: Annotated[float, Field(gt=0)] = Field(1.0, description="255: levels are 0 to 1.")
    mean: Channels = (0.0, 0.0, 0.0)
    std: Channels = (1.0, 1.0, 1.0)
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    datatype: Literal["FP32", "FP16", "BF16", "UINT8"] = "FP32"
    fill: Annotated[int, Field(ge=0, le=255)] = Field(0, description="A level: what is around it.")
    decode: Literal["cpu", "gpu"] = Field(
        "cpu", description="gpu: JPEG files on the version's GPU, by nvImageCodec."
    )

    _divides = field_validator("std")(_above_zero)

    @model_validator(mode="after")
    def _fits_its_fit(self) -> Self:
        if "fill" in self.model_fields_set and self.fit != "letterbox":
            raise ValueError(f"fill is for fit: letterbox, and nothing is around a {self.fit}")
        return self


class Tokenize(Section):
    """A text becomes the numbers of its tokens, by a tokenizer.json of Hugging Face."""

    input: Name = Field(description="What callers send: BYTES [1], a text in UTF-8.")
    ids: Name = Field("input_ids", description="The input of the model that has the tokens.")
    mask: Name | None = Field(
        "attention_mask", description="1 where there is a token, 0 where there is none; null: none."
    )
    types: Name | None = Field(
        None, description="To which text of a pair a token belongs: that of what is no pair is 0."
    )
    file: File = Field("tokenizer.json", description="In the version's folder.")
    max_length: Length = Field(description="Most tokens of a row, those that mark its ends too.")
    truncate: bool = Field(
        True, description="Tokens beyond max_length are left out; false: such a row is rejected."
    )
    max_bytes: Annotated[int, Field(ge=1, le=1 << 26)] = Field(
        65_536, description="A longer text is rejected before it is read."
    )
    sizes: tuple[Length, ...] = Field(
        (),
        strict=False,
        max_length=64,
        description="The lengths that a batch may have, rising up to max_length: each row is "
        "filled up to one of them. Default: the length of its longest row.",
    )
    pad_token: Name | None = Field(
        None, description="What rows are filled up with. Default: what the file says."
    )
    pad_side: PadSide | None = Field(
        None, description="Where it stands. Default: what the file says, or else right."
    )
    datatype: Literal["INT64", "INT32"] = "INT64"

    _sizes_rise = field_validator("sizes")(rising)

    @model_validator(mode="after")
    def _the_longest_fits(self) -> Self:
        if self.sizes and self.sizes[-1] != self.max_length:
            raise ValueError(
                f"sizes end at {self.sizes[-1]}, but a row may have {self.max_length} tokens "
                f"(max_length): end them at {self.max_length}"
            )
        return self


class EncodeFeatures(Section):
    """A row of a table becomes floats: numbers standardised, then categories one-hot.

    A number becomes (number - mean) / std. A category that was not known has no hot column.
    """

    numbers: Name | None = Field(None, description="What callers send: FP32 [numbers].")
    categories: Name | None = Field(
        None, description="What callers send: INT32 [categories], each counted from 0."
    )
    output: Name = Field(description="The input of the model that it becomes.")
    mean: Columns = Field((), description="Of each number.")
    std: Columns = Field((), description="Of each number.")
    sizes: Annotated[
        tuple[Annotated[int, Field(ge=1, le=1 << 20)], ...],
        Field(strict=False, max_length=1 << 12),
    ] = Field((), description="Of each category: how many values it has.")
    missing: float | None = Field(
        None, description="What a number that is NaN becomes; 0 is the mean. Default: NaN."
    )
    datatype: Float = "FP32"

    _divides = field_validator("std")(_above_zero)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if len(self.mean) != len(self.std):
            raise ValueError(
                f"expected mean and std of each number, not {len(self.mean)} and {len(self.std)}"
            )
        each = ("numbers", self.mean, "mean"), ("categories", self.sizes, "sizes")
        for name, told, key in each:
            if (getattr(self, name) is None) != (not told):
                raise ValueError(f"expected both {name} and its {key}, or neither")
        if not self.mean and not self.sizes:
            raise ValueError("expected numbers, categories or both")
        return self


class LogMel(Section):
    """A clip of sound becomes its log-mel spectrogram: log(max(energy, least)) * scale + offset."""

    input: Name = Field(description="What callers send: samples, FP32 or INT16 [-1].")
    output: Name = Field(description="The input of the model that it becomes: FP32 [mels, frames].")
    lengths: Name | None = Field(
        None, description="Frames that the clip has, INT32 []; the rest of them is padding."
    )
    samples: Literal["FP32", "INT16"] = Field(
        "FP32", description="What the input is of; of INT16 32768 is 1.0."
    )
    rate: Annotated[int, Field(ge=1, le=1 << 24)] = Field(description="Samples a second.")
    window: Annotated[int, Field(ge=4, le=2048, multiple_of=4)] = Field(
        description="Samples of a frame."
    )
    hop: Annotated[int, Field(ge=1, le=1 << 17)] = Field(
        description="Samples from one frame to the next."
    )
    mels: Annotated[int, Field(ge=1, le=1 << 14)]
    frames: Annotated[int, Field(ge=1, le=1 << 17)] = Field(description="Of each clip, at most.")
    top_hz: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Where the filters end. Default: half the rate."
    )
    centred: bool = Field(True, description="Frames are around their sample, as librosa has them.")
    magnitude: bool = Field(False, description="Energies are magnitudes, not their squares.")
    least: Annotated[float, Field(gt=0)] = 1e-10
    scale: float = Field(1.0, description="The logarithm is natural: 0.4342945 is one of base 10.")
    offset: float = 0.0
    padding: float = Field(0.0, description="What frames have that the clip has not.")


class PadRagged(Section):
    """A list of any length becomes one of a fixed length, and a mask of what was there."""

    input: Name = Field(description="What callers send: [-1], or [-1, width].")
    output: Name = Field(description="The input of the model that it becomes: [length(, width)].")
    mask: Name | None = Field(None, description="1 where the list has something: [length].")
    datatype: Literal[
        "FP32", "FP16", "BF16", "FP64", "INT64", "INT32", "INT16", "INT8", "UINT8", "BOOL"
    ] = "FP32"
    width: Length | None = Field(None, description="Items of each element. Default: one, no axis.")
    length: Length
    value: AsWritten = Field(0.0, description="What is missing.")
    pad_side: PadSide = "right"
    keep: Literal["first", "last"] = Field("first", description="What stays of a longer list.")
    mask_datatype: Literal["INT64", "INT32", "BOOL"] = "INT64"


class SuppressBoxes(Section):
    """Of a detector's boxes those are kept that no better one of their class covers."""

    boxes: Name = Field(description="An output of the model: FP32 [boxes, 4], corners.")
    scores: Name = Field(description="Likewise: FP32 [boxes].")
    classes: Name = Field(description="Likewise: INT32 [boxes].")
    kept_boxes: Name = Field(description="Output FP32 [most, 4], the best first; then 0.")
    kept_scores: Name = Field(description="Output FP32 [most]; behind the last 0.")
    kept_classes: Name = Field(description="Output INT32 [most]; behind the last -1.")
    count: Name = Field(description="Output INT32 []: how many are kept.")
    overlap: Annotated[float, Field(ge=0, le=1)] = Field(
        description="The area of both by that of either, beyond which one covers the other."
    )
    score: float | None = Field(None, description="What is kept scores more. Default: any.")
    most: Annotated[int, Field(ge=1, le=1024)] = Field(300, description="Of a row.")


class SoftmaxTopK(Section):
    """Scores of classes become the likeliest classes, the best first, and how likely they are."""

    input: Name = Field(description="An output of the model: floats [classes].")
    probabilities: Name = Field(description="Output FP32 [k].")
    classes: Name = Field(description="Output INT64 [k].")
    k: Annotated[int, Field(ge=1, le=MOST_K)] = 5


class Labels(Section):
    """Numbers of classes become their names."""

    input: Name = Field(description="INT64 or INT32, any shape.")
    output: Name = Field(description="BYTES of that shape.")
    file: File = Field(
        description="In the version's folder: a name a line, the first is that of class 0. Lines "
        "that begin with # are passed over."
    )


class OneStep(Section):
    """An entry of a list of steps: one step, by its name."""

    @model_validator(mode="after")
    def _one_name(self) -> Self:
        names = list(type(self).model_fields)
        given = [name for name in names if getattr(self, name) is not None]
        if len(given) != 1:
            found = ", ".join(given) or "none"
            raise ValueError(f"expected one of {', '.join(names)} in each entry, not {found}")
        return self

    @property
    def step(self) -> Section:
        """What the entry says, whatever its name."""
        said: list[Section] = [
            one for name in type(self).model_fields if (one := getattr(self, name)) is not None
        ]
        return said[0]


class Before(OneStep):
    """Before the model."""

    preprocess_images: PreprocessImages | None = None
    tokenize: Tokenize | None = None
    encode_features: EncodeFeatures | None = None
    log_mel: LogMel | None = None
    pad_ragged: PadRagged | None = None


class After(OneStep):
    """After it."""

    softmax_top_k: SoftmaxTopK | None = None
    suppress_boxes: SuppressBoxes | None = None
    labels: Labels | None = None
