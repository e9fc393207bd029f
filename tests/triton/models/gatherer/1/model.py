"""Asks two models at once, one of which answers in parts."""

import asyncio
import json

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    async def execute(self, requests):
        return [await self.answer() for _ in requests]

    async def answer(self):
        ones = [pb_utils.Tensor(name, np.ones((1, 4), np.float32)) for name in ("INPUT0", "INPUT1")]
        sums = [
            pb_utils.InferenceRequest(
                model_name="add_sub", requested_output_names=["OUTPUT0"], inputs=ones
            ).async_exec()
            for _ in range(4)
        ]
        parts = pb_utils.InferenceRequest(
            model_name="repeat",
            requested_output_names=["OUT"],
            inputs=[pb_utils.Tensor("IN", np.array([3], np.int32))],
        ).async_exec(decoupled=True)
        *sums, parts = await asyncio.gather(*sums, parts)
        told = [
            [
                pb_utils.get_output_tensor_by_name(one, "OUTPUT0").as_numpy().tolist()
                for one in sums
            ],
            # Triton's last one is empty.
            [one.output_tensors()[0].as_numpy().item() for one in parts if one.output_tensors()],
        ]
        return pb_utils.InferenceResponse(
            [pb_utils.Tensor("TOLD", np.array([[json.dumps(told)]], object))]
        )
