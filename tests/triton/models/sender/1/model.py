"""Answers each request once, from another thread."""

import threading

import triton_python_backend_utils as pb_utils

FINAL = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL


class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            threading.Thread(target=self.send, args=(request,), daemon=True).start()
            request.get_response_sender()

    def send(self, request):
        x = pb_utils.get_input_tensor_by_name(request, "x").as_numpy()
        response = pb_utils.InferenceResponse([pb_utils.Tensor("y", -x)])
        request.get_response_sender().send(response, flags=FINAL)
