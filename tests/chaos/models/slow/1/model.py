import time

from headrace import Batch, Context, Model, Tensor


class Slow(Model):
    inputs = [Tensor("x", "FP32", [16])]
    outputs = [Tensor("y", "FP32", [16])]

    def load(self, context: Context) -> None: ...

    def predict(self, batch: Batch):
        time.sleep(0.1)  # noqa: TID251 - it is slow, which is all it is for
        return {"y": batch["x"]}
