"""Names what is on a photo: EfficientNet-Lite0 with its ImageNet weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from headrace_core import decode_images
from network import load_network

from headrace import Batch, Context, Model, Tensor

HERE = Path(__file__).parent


class Photos(Model):
    """A JPEG, PNG or WebP file goes in; the five likeliest of 1000 classes come out, in order."""

    inputs = [Tensor("image", "BYTES", [1])]
    outputs = [Tensor("name", "BYTES", [5]), Tensor("probability", "FP32", [5])]

    def load(self, context: Context) -> None:
        self.device = context.device
        self.network = load_network(context.device)
        lines = (context.folder / "classes.txt").read_text(encoding="utf-8").splitlines()
        self.names = np.array([line for line in lines if not line.startswith("#")], dtype=object)

    def predict(self, batch: Batch) -> Mapping[str, Any]:
        # The core's threads decode all photos at once, without Python's lock. These weights were
        # measured on the central 7/8 of the shorter side, 224 pixels wide (a padding of 32).
        pixels, faults = decode_images(batch["image"], 224, 224, crop=0.875, filter="bicubic")
        for row, fault in enumerate(faults):
            if fault is not None:
                batch.reject(row, fault)
        # [rows, 224, 224, 3] as it lies in memory is what PyTorch calls channels_last.
        photos = torch.from_numpy(pixels).to(self.device).permute(0, 3, 1, 2)
        scores = self.network(photos.float().sub_(127).div_(128))
        probability, likeliest = scores.softmax(-1).topk(5)
        return {"name": self.names[likeliest.cpu().numpy()], "probability": probability}

    def example(self, rows: int) -> Mapping[str, Any]:
        return {"image": [(HERE.parent / "cat.jpg").read_bytes()] * rows}
