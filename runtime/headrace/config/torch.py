"""What may be written under ``torch`` in a model.yaml."""

from collections.abc import Sequence
from typing import Any, Final, Literal

from pydantic import Field, field_validator

from headrace.config.batching import Batching
from headrace.config.section import AtItem, Section

#: Modes of torch.compile that capture CUDA graphs of their own → what to write instead.
CAPTURING: Final = {"reduce-overhead": "default", "max-autotune": "max-autotune-no-cudagraphs"}
#: Sizes of a batch that are run while a version loads, as many as allowed_rows may have.
MOST_PREPARED: Final = 64


class PyTorch(Section):
    """How PyTorch runs a net.pt2."""

    compile: Literal[False, "default", "max-autotune-no-cudagraphs"] = Field(
        False,
        description="The mode of torch.compile, for all sizes that a batch may have, while the "
        "version loads. Default: the program runs operation by operation.",
    )
    autocast: Literal["bfloat16", "float16"] | None = Field(
        None,
        description="The datatype that operations which PyTorch knows as safe run in; outputs are "
        "as declared. Default: that of the weights.",
    )
    memory_format: Literal["channels_last"] | None = Field(
        None,
        description="How inputs and weights of four axes lie in memory. Default: as they come.",
    )
    cuda_graphs: bool = Field(
        False,
        description="Each of batching.allowed_rows is captured as a CUDA graph while the version "
        "loads, and a batch is a replay.",
    )

    @property
    def prepares(self) -> tuple[str, ...]:
        """The keys that make each size of a batch ready before the first request."""
        return tuple(name for name in ("compile", "cuda_graphs") if getattr(self, name))

    @field_validator("compile", mode="before")
    @classmethod
    def _a_mode(cls, given: Any) -> Any:
        if given is True:
            raise ValueError("compile: expected false or a mode, not True: write default")
        if isinstance(given, str) and given in CAPTURING:
            raise ValueError(
                f"compile: {given} captures CUDA graphs of its own, anew in each lane and while "
                f"it serves: write {CAPTURING[given]}, and cuda_graphs: true"
            )
        return given


def check(
    torch: PyTorch, batching: Batching, *, gpus: float, shapes: Sequence[tuple[int, ...]]
) -> None:
    """Refuse what does not go together with ``torch``.

    Args:
        torch: what is written there.
        batching: of the same file.
        gpus: that the version has.
        shapes: of its inputs, in their order; -1 is any size.

    Raises:
        AtItem: what should be taken out, or written too.
    """
    if torch.cuda_graphs and not gpus:
        raise AtItem(("torch", "cuda_graphs"), "cuda_graphs needs a GPU: write placement.gpus, too")
    if torch.cuda_graphs and not batching.allowed_rows:
        raise AtItem(
            ("torch", "cuda_graphs"),
            "cuda_graphs needs batching.allowed_rows, each of which is captured: write the sizes "
            "that a batch may have",
        )
    for key in torch.prepares:
        for at, shape in enumerate(shapes):
            if -1 in shape:
                raise AtItem(
                    ("inputs", at),
                    f"{key} of torch makes each shape ready before the first request, and this "
                    f"input has an axis of any size: write its size, or take torch.{key} out",
                )
    if torch.compile and not batching.allowed_rows and batching.max_rows > MOST_PREPARED:
        raise AtItem(
            ("torch", "compile"),
            f"compile runs each size of a batch once before the first request, and max_rows is "
            f"{batching.max_rows}: write batching.allowed_rows, up to {MOST_PREPARED} sizes",
        )


def prepared_rows(batching: Batching) -> Sequence[int]:
    """Return every size that a batch may have, rising."""
    return batching.allowed_rows or range(1, batching.max_rows + 1)
