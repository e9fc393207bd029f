"""Doubles; told to by a parameter it fails, or takes its time."""

import threading

from headrace import Batch, Context, Model, Tensor


class Back(Model):
    inputs = [Tensor("x", "FP32", [-1])]
    outputs = [Tensor("y", "FP32", [-1]), Tensor("who", "BYTES", [1])]

    def load(self, context: Context):
        self.doubled = context.counter("doubled_rows_total", "Rows that were doubled")

    def predict(self, batch: Batch):
        said = [one.get("say", "") for one in batch.parameters]
        if "fail" in said:
            raise RuntimeError("on purpose")
        for row, one in enumerate(said):
            if one == "refuse":
                batch.reject(row, "not this one")
        threading.Event().wait(max(one.get("sleep_s", 0.0) for one in batch.parameters))
        self.doubled.add(batch.rows)
        return {"y": batch["x"] * 2, "who": [[one or "back"] for one in said]}
