"""Requests that wait for each other in one event loop: each is answered once the next is here."""

import asyncio

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        self.here = {}

    def met(self, number):
        return self.here.setdefault(number, asyncio.Event())

    async def execute(self, requests):
        for request in requests:
            value = pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()
            number = int(value[0, 0])
            self.met(number).set()
            # Of two: 10 waits for 11, and 11 for 10.
            await self.met(number ^ 1 if number >= 10 else number).wait()
            sender = request.get_response_sender()
            out = pb_utils.Tensor("OUT", np.array(value) * 2)
            flags = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL
            sender.send(pb_utils.InferenceResponse([out]), flags=flags)
