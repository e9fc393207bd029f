"""Asks other models, and counts how often."""

import contextvars
import json
import threading

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        # Triton has the numbers end with it.
        self.family = pb_utils.MetricFamily("calls_made", "Calls", pb_utils.MetricFamily.COUNTER)
        self.calls = {how: self.family.Metric(labels={"how": how}) for how in ("plain", "thread")}

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        how = pb_utils.get_input_tensor_by_name(request, "HOW").as_numpy().item().decode()
        if how == "plain":
            told = self.plain()
        elif how == "thread":
            found = []
            # So that it is known who calls: other models are in this process.
            within = contextvars.copy_context().run
            thread = threading.Thread(target=within, args=(lambda: found.append(self.plain()),))
            thread.start()
            thread.join()
            (told,) = found
        elif how == "repeat":
            told = [one.item() for one in self.repeat(5)]
        elif how == "unlucky":
            told = [str(one) for one in self.repeat(13)]
        else:
            told = self.plain(model=how)
        if how in self.calls:
            self.calls[how].increment(1)
        return pb_utils.InferenceResponse(
            [pb_utils.Tensor("TOLD", np.array([[json.dumps(told)]], object))]
        )

    def plain(self, model="add_sub"):
        ones = pb_utils.Tensor("INPUT0", np.ones((1, 4), np.float32))
        twos = pb_utils.Tensor("INPUT1", np.full((1, 4), 2, np.float32))
        request = pb_utils.InferenceRequest(
            model_name=model, requested_output_names=["OUTPUT0"], inputs=[ones, twos]
        )
        response = request.exec()
        if response.has_error():
            return [response.error().code(), response.error().message()]
        (tensor,) = response.output_tensors()
        return tensor.as_numpy().tolist()

    def repeat(self, number):
        request = pb_utils.InferenceRequest(
            model_name="repeat",
            requested_output_names=["OUT"],
            inputs=[pb_utils.Tensor("IN", np.array([number], np.int32))],
        )
        for response in request.exec(decoupled=True):
            if response.has_error():
                yield response.error().message()
            # Triton's last one is empty.
            elif response.output_tensors():
                yield pb_utils.get_output_tensor_by_name(response, "OUT").as_numpy()
