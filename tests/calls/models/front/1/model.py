"""Calls whom a parameter of its request names, in the way that another one says."""

import asyncio
import json

import numpy as np

from headrace import Batch, Context, Model, Tensor
from headrace.errors import CalledEarly, CallFailed


class Front(Model):
    inputs = [Tensor("x", "FP32", [2])]
    outputs = [Tensor("told", "BYTES", [1])]

    def load(self, context: Context):
        self.context = context

    def example(self, rows: int):
        return {"x": np.zeros((rows, 2), np.float32)}

    def predict(self, batch: Batch):
        return {"told": [[json.dumps(self.told(batch, row))] for row in range(batch.rows)]}

    def told(self, batch: Batch, row: int):
        asked = dict(batch.parameters[row])
        how, model = asked.pop("how", "call"), asked.pop("model", "back")
        named = {name: asked.pop(name) for name in ("version", "timeout_s") if name in asked}
        if "next" in asked:
            asked["model"] = asked.pop("next")
        named["parameters"] = asked
        x = batch["x"][row : row + 1]
        try:
            if how == "many":
                return asyncio.run(self.many(model, x, named))
            if how == "parts":
                n = np.array([[4]], np.int32)
                parts = self.context.call_in_parts(model, {"n": n}, **named)
                return [int(part["i"][0, 0]) for part in parts]
            if how == "twice":
                self.context.call(model, {"x": x}, **named)
                named["parameters"] = {}
            answer = self.context.call(model, {"x": x}, **named)
        except CalledEarly:
            raise
        except CallFailed as error:
            return {"code": error.code, "text": error.text}
        if "told" in answer:
            return json.loads(bytes(answer["told"][0]))
        return [answer["y"].tolist(), [bytes(one).decode() for one in answer["who"]]]

    async def many(self, model, x, named):
        calls = [self.context.call_async(model, {"x": x + i}, **named) for i in range(8)]
        return [answer["y"].tolist() for answer in await asyncio.gather(*calls)]
