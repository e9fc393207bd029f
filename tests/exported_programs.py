"""Folders of models with an exported program, for tests."""

from pathlib import Path
from typing import Any

import torch

#: Batches of 1 to 20 rows: from 16 on PyTorch convolves otherwise on a CPU.
LARGEST = 20
TENSORS = """
inputs:
  - {name: pixels, datatype: FP32, shape: [3, 8, 8]}
outputs:
  - {name: share, datatype: FP32, shape: [5]}
  - {name: best, datatype: INT64, shape: [1]}
"""


class Picture(torch.nn.Module):  # type: ignore[misc]
    """A network like those of pictures, in small."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = torch.nn.Conv2d(3, 8, 3, bias=False)
        self.norm = torch.nn.BatchNorm2d(8)
        self.linear = torch.nn.Linear(8 * 6 * 6, 5)

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen = self.norm(self.convolution(pixels)).relu().flatten(1)
        share = self.linear(seen).softmax(-1)
        return share, share.argmax(1, keepdim=True)


def picture(*, rows: bool = True, decomposed: bool = False, largest: int = 64) -> Any:
    """Export it.

    Args:
        largest: size of that axis.
        rows: its first axis is of any size, else of 2.
        decomposed: into few operations, which know no `flatten` but `view`.
    """
    torch.manual_seed(0)
    axes = {0: torch.export.Dim("rows", min=1, max=largest)} if rows else None
    example = (torch.ones(2, 3, 8, 8),)
    program = torch.export.export(Picture().eval(), example, dynamic_shapes=(axes,))
    return program.run_decompositions() if decomposed else program


def write(models: Path, program: Any, yaml: str, tensors: str = TENSORS) -> Path:
    """Write the model ``net`` with this program and model.yaml; return ``models``."""
    folder = models / "net" / "1"
    folder.mkdir(parents=True)
    torch.export.save(program, folder / "net.pt2")
    (folder.parent / "model.yaml").write_text(yaml + tensors)
    return models
