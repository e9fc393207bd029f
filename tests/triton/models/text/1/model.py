"""Texts in capitals, and what was asked with them; some texts are errors."""

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        words = pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()
        if words[0, 0] == b"lost":
            error = pb_utils.TritonError("no such word", pb_utils.TritonError.NOT_FOUND)
            return pb_utils.InferenceResponse(error=error)
        if words[0, 0] == b"id":
            request.request_id()
        upper = np.array([[one.decode().upper() for one in words[0]]], dtype=object)
        asked = np.array([[request.parameters()]], dtype=object)
        outputs = [pb_utils.Tensor("OUT", upper), pb_utils.Tensor("ASKED", asked)]
        return pb_utils.InferenceResponse(output_tensors=outputs)
