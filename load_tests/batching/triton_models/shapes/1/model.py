"""What ../../../models/shapes is to Headrace, for Triton's Python backend: 5 ms over any batch."""

import threading

import triton_python_backend_utils as triton


class TritonPythonModel:
    """FP32[any] in, the same out."""

    def execute(self, requests: list[object]) -> list[object]:
        """Answer every request of a batch with its own array, once the device is through."""
        threading.Event().wait(0.005)
        return [answer(request) for request in requests]


def answer(request: object) -> object:
    """Return what was given."""
    x = triton.get_input_tensor_by_name(request, "x").as_numpy()
    return triton.InferenceResponse([triton.Tensor("y", x)])
