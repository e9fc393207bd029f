"""Says which of three colours an image has most of."""

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        pixels = pb_utils.get_input_tensor_by_name(request, "PIXELS").as_numpy()
        scores = pixels.mean(axis=(2, 3))
        names = np.array([b"red", b"green", b"blue"], dtype=object)
        label = names[scores.argmax(axis=1)][:, None]
        tensors = [pb_utils.Tensor("SCORES", scores), pb_utils.Tensor("LABEL", label)]
        return pb_utils.InferenceResponse(tensors)
