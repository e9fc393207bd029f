"""Names what is on a photo: EfficientNet-Lite0 with its ImageNet weights."""

from collections.abc import Mapping
from typing import Any

from network import load_network

from headrace import Batch, Context, Model, Tensor


class Photos(Model):
    """The network alone: files, the likeliest classes and their names are in model.yaml."""

    inputs = [Tensor("pixels", "FP32", [224, 224, 3])]
    outputs = [Tensor("score", "FP32", [1000])]

    def load(self, context: Context) -> None:
        self.network = load_network(context.device)

    def predict(self, batch: Batch) -> Mapping[str, Any]:
        # [rows, 224, 224, 3] as it lies in memory is what PyTorch calls channels_last.
        return {"score": self.network(batch.tensor("pixels").permute(0, 3, 1, 2))}
