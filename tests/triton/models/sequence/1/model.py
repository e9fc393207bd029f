"""Sums up what comes in a sequence."""

import triton_python_backend_utils as pb_utils

START = pb_utils.TRITONSERVER_REQUEST_FLAG_SEQUENCE_START
END = pb_utils.TRITONSERVER_REQUEST_FLAG_SEQUENCE_END


class TritonPythonModel:
    def initialize(self, args):
        self.sums = {}

    def execute(self, requests):
        responses = []
        for request in requests:
            which = request.correlation_id()
            start = pb_utils.get_input_tensor_by_name(request, "START").as_numpy().item()
            assert bool(start) == bool(request.flags() & START)
            x = pb_utils.get_input_tensor_by_name(request, "x").as_numpy()
            self.sums[which] = x if start else self.sums[which] + x
            out = pb_utils.Tensor("sum", self.sums[which])
            if request.flags() & END:
                del self.sums[which]
            responses.append(pb_utils.InferenceResponse(output_tensors=[out]))
        return responses
