"""Returns what it is given: what is measured is the way to it and back."""

from collections.abc import Mapping
from typing import Any

from headrace import Batch, Context, Model, Tensor


class Identity(Model):
    """FP32[16] in, the same out."""

    inputs = [Tensor("x", "FP32", [16])]
    outputs = [Tensor("y", "FP32", [16])]

    def load(self, context: Context) -> None:
        """There is nothing to load."""

    def predict(self, batch: Batch) -> Mapping[str, Any]:
        """Return the view itself."""
        return {"y": batch["x"]}
