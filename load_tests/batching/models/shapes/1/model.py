"""A device that takes 5 ms over a batch, of rows that are equally long."""

import threading
from collections.abc import Mapping
from typing import Any

from headrace import Batch, Context, Model, Tensor


class Shapes(Model):
    """FP32[any] in, the same out, after a time in which nobody else is served."""

    inputs = [Tensor("x", "FP32", [-1])]
    outputs = [Tensor("y", "FP32", [-1])]

    def load(self, context: Context) -> None:
        """Read how long a batch takes."""
        self.seconds = float(context.parameters.get("seconds", 0.005))
        self.row_seconds = float(context.parameters.get("row_seconds", 0.0))
        self.device = threading.Lock()

    def predict(self, batch: Batch) -> Mapping[str, Any]:
        """Wait as a caller of a device waits: without Python's lock."""
        with self.device:
            threading.Event().wait(self.seconds + self.row_seconds * batch.rows)
        return {"y": batch["x"]}
