"""Makes of an image what a network takes."""

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        image = pb_utils.get_input_tensor_by_name(request, "IMAGE").as_numpy()
        pixels = (image.transpose(0, 3, 1, 2) / 255).astype(np.float32)
        return pb_utils.InferenceResponse([pb_utils.Tensor("PIXELS", pixels)])
