"""As many parts as the number says, sent from a thread of its own; 13 fails after two."""

import json
import threading

import numpy as np
import triton_python_backend_utils as pb_utils

UNLUCKY = 13
FINAL = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL


class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])
        assert pb_utils.using_decoupled_model_transaction_policy(config)
        self.left = threading.Event()

    def execute(self, requests):
        for request in requests:
            number = pb_utils.get_input_tensor_by_name(request, "IN").as_numpy().item()
            if number < 0:
                raise ValueError("less than nothing")
            given = (request.get_response_sender(), number)
            threading.Thread(target=self.send, args=given, daemon=True).start()

    def send(self, sender, number):
        for at in range(min(number, 2) if number == UNLUCKY else number):
            if sender.is_cancelled():
                print(f"left at {at}")
                break
            out = pb_utils.Tensor("OUT", np.array([at], np.int32))
            sender.send(pb_utils.InferenceResponse(output_tensors=[out]))
        if number == UNLUCKY:
            error = pb_utils.TritonError("thirteen", pb_utils.TritonError.UNAVAILABLE)
            sender.send(pb_utils.InferenceResponse(error=error))
        sender.send(flags=FINAL)
