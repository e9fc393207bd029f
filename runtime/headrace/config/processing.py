"""What may be written under ``preprocess`` and ``postprocess`` in a model.yaml."""

from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from headrace.config.section import Section

Name = Annotated[str, Field(min_length=1)]
Side = Annotated[int, Field(ge=1, le=16_384)]
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

    @field_validator("std")
    @classmethod
    def _divides(cls, given: tuple[float, ...]) -> tuple[float, ...]:
        if any(one <= 0 for one in given):
            raise ValueError(
                f"expected numbers above 0, not {list(given)}: levels are divided by them"
            )
        return given


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
    file: Annotated[str, Field(min_length=1)] = Field(
        description="In the version's folder: a name a line, the first is that of class 0. Lines "
        "that begin with # are passed over."
    )

    @field_validator("file")
    @classmethod
    def _inside(cls, given: str) -> str:
        path = PurePosixPath(given)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"expected a file in the version's folder, not {given!r}")
        return given


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


class After(OneStep):
    """After it."""

    softmax_top_k: SoftmaxTopK | None = None
    labels: Labels | None = None
