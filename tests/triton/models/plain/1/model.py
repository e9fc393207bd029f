"""Tensors without an axis of rows: what callers send is all that there is."""

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            x = pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy()
            text = pb_utils.get_input_tensor_by_name(request, "TEXT").as_numpy()
            assert x.shape == (4,), x.shape
            assert text.ndim == 1, text.shape
            if x[0] < 0:
                error = pb_utils.TritonError("below zero")
                responses.append(pb_utils.InferenceResponse(error=error))
                continue
            said = np.array([one.upper() for one in text], np.object_)
            tensors = [pb_utils.Tensor("SUM", x + x), pb_utils.Tensor("WORDS", said)]
            responses.append(pb_utils.InferenceResponse(output_tensors=tensors))
        return responses
