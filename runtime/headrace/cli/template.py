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

STREAMING: Final = '''"""Answers in parts: replace its tensors, `load` and `step` by yours."""

from collections.abc import Sequence

import numpy as np

import headrace
from headrace import Context, Model, Tensor


class {name}(Model):
    # Shapes are without the batch axis; -1 is any size.
    inputs = [Tensor("prompt", "INT64", [-1]), Tensor("max_tokens", "INT64", [1])]
    outputs = [Tensor("token", "INT64", [1])]

    def load(self, context: Context) -> None:
        """Read weights from context.folder; runs once."""
        self.words = int(context.parameters.get("words", 1000))

    def step(self, sequences: Sequence[headrace.Sequence]) -> None:
        """Go on with all requests at work: a part of each, and the end of those that are done.

        Where requests need not be computed together, write stream(self, batch) instead: a
        generator that yields the parts of one request.
        """
        for one in sequences:
            if one.state is None:  # it has just joined
                one.state = one.inputs["prompt"].ravel().tolist()
            if one.is_paused:  # its caller has not read what was sent
                continue
            said = len(one.state) - one.inputs["prompt"].size
            if said >= one.inputs["max_tokens"].item():
                one.end()
                continue
            one.state.append((sum(one.state) + 1) % self.words)
            one.emit(token=np.array([[one.state[-1]]], np.int64))
'''

STREAMING_CONFIG: Final = """\
# Operations of this model; its tensors are declared by the class in 1/model.py.
streams: true        # a request is answered with any number of parts
batching:
  max_rows: 32       # most rows of the requests at work together
  max_cost: 8192     # most tokens of them, those to come included
  cost: [{elements: prompt}, {value: max_tokens}]
parameters:
  words: 1000        # load() finds these in context.parameters
"""

CONFIG: Final = """\
# Operations of this model; its tensors are declared by the class in 1/model.py.
batching:
  max_rows: 64       # most rows of a batch, and of one request
  max_delay_ms: 0    # how long a batch may be held open for more
parameters:
  factor: 2          # load() finds these in context.parameters
"""


def write(folder: Path, *, streams: bool = False) -> list[Path]:
    """Write a model into ``folder``, which is new or empty; return the files.

    Args:
        folder: its name is the model's.
        streams: it shall answer in parts.

    Raises:
        RepositoryInvalid: something is there already, or the name is none for a model.
    """
    folder = folder.absolute()
    if not NAME.fullmatch(folder.name):
        raise RepositoryInvalid(
            f"{folder.name!r} is no name for a model: use letters, digits, '.', '_' and '-'"
        )
    if folder.name.isdecimal():
        raise RepositoryInvalid(
            f"{folder.name!r} names a version: use a name with a letter, such as "
            f"{folder.parent.name or 'model'}"
        )
    words = "".join(one if one.isalnum() else " " for one in folder.name).split()
    name = "".join(word[:1].upper() + word[1:] for word in words)
    source, config = (STREAMING, STREAMING_CONFIG) if streams else (MODEL, CONFIG)
    files = {
        folder / "1" / "model.py": source.format(name=name if name[0].isalpha() else f"M{name}"),
        folder / "model.yaml": config,
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
