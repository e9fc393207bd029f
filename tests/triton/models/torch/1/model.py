"""Doubles with PyTorch, which takes and gives tensors by DLPack."""

import torch
import triton_python_backend_utils as pb_utils
from torch.utils.dlpack import from_dlpack, to_dlpack


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            given = pb_utils.get_input_tensor_by_name(request, "x")
            assert given.is_cpu()
            x = from_dlpack(given.to_dlpack()) * 2
            outputs = [
                pb_utils.Tensor.from_dlpack("y", to_dlpack(x)),
                pb_utils.Tensor.from_dlpack("z", x.to(torch.float32)),
            ]
            responses.append(pb_utils.InferenceResponse(output_tensors=outputs))
        return responses
