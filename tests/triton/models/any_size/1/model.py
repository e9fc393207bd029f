"""As many numbers as are asked for: answers of different sizes."""

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            count = pb_utils.get_input_tensor_by_name(request, "COUNT").as_numpy().item()
            numbers = np.arange(count, dtype=np.int32)[np.newaxis]
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("UP_TO", numbers)]))
        return responses
