"""Says of each request how many rows it has; one that begins below zero is an error."""

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            given = pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()
            if given[0, 0] < 0:
                error = pb_utils.TritonError("below zero")
                responses.append(pb_utils.InferenceResponse(error=error))
                continue
            rows = np.full((len(given), 1), len(given), np.int32)
            tensors = [pb_utils.Tensor("ROWS", rows)]
            responses.append(pb_utils.InferenceResponse(output_tensors=tensors))
        return responses
