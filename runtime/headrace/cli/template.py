"""The model that `headrace new` writes."""

from pathlib import Path
from typing import Final

from headrace.errors import RepositoryInvalid
from headrace.repository.folder import NAME

MODEL: Final = '''"""A model that works: replace its tensors, `load` and `predict` by yours."""

import numpy as np

from headrace import Batch, Context, Model, Tensor


class {name}(Model):
    # Shapes are without the batch axis; -1 is any size.
    inputs = [Tensor("x", "FP32", [4])]
    outputs = [Tensor("y", "FP32", [4]), Tensor("sum", "FP32", [1])]

    def load(self, context: Context) -> None:
        """Read weights from context.folder; runs once."""
        self.factor = np.float32(context.parameters.get("factor", 2))
        context.log.info("multiplies by %s", self.factor)

    def predict(self, batch: Batch) -> dict[str, np.ndarray]:
        """Answer batch.rows rows at once; batch["x"] is a read-only array [rows, 4]."""
        y = batch["x"] * self.factor
        return {{"y": y, "sum": y.sum(axis=1, keepdims=True)}}
'''

CONFIG: Final = """\
# Operations of this model; its tensors are declared by the class in 1/model.py.
batching:
  max_rows: 64       # most rows of a batch, and of one request
  max_delay_ms: 0    # how long a batch may be held open for more
parameters:
  factor: 2          # load() finds these in context.parameters
"""


def write(folder: Path) -> list[Path]:
    """Write a model into ``folder``, which is new or empty; return the files.

    Raises:
        RepositoryInvalid: something is there already, or the name is none for a model.
    """
    folder = folder.absolute()
    if not NAME.fullmatch(folder.name):
        raise RepositoryInvalid(
            f"{folder.name!r} is no name for a model: use letters, digits, '.', '_' and '-'"
        )
    words = "".join(one if one.isalnum() else " " for one in folder.name).split()
    name = "".join(word[:1].upper() + word[1:] for word in words)
    files = {
        folder / "1" / "model.py": MODEL.format(name=name if name[0].isalpha() else f"M{name}"),
        folder / "model.yaml": CONFIG,
    }
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise RepositoryInvalid(f"{folder} is there already and not empty; nothing was written")
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    except OSError as error:
        raise RepositoryInvalid(
            f"{folder} cannot be written to ({error.strerror}: {error.filename}): name a folder "
            "that this user may write to"
        ) from error
    return list(files)
