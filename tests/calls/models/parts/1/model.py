"""Answers with as many parts as it is asked for."""

import numpy as np

from headrace import Batch, Model, Tensor


class Parts(Model):
    inputs = [Tensor("n", "INT32", [1])]
    outputs = [Tensor("i", "INT32", [1])]

    def stream(self, batch: Batch):
        for i in range(int(batch["n"][0, 0])):
            yield {"i": np.full((batch.rows, 1), i, np.int32)}
