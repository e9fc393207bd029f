"""Adds and subtracts; writes to what it got."""

import json

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])
        output = pb_utils.get_output_config_by_name(config, "OUTPUT0")
        self.dtype = pb_utils.triton_string_to_numpy(output["data_type"])
        greeting = config["parameters"]["greeting"]["string_value"]
        kind = args["model_instance_kind"]
        print(f"{greeting}, {args['model_name']} {args['model_version']} on {kind}")

    def execute(self, requests):
        responses = []
        for request in requests:
            a = pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy()
            b = pb_utils.get_input_tensor_by_name(request, "INPUT1").as_numpy()
            total = pb_utils.Tensor("OUTPUT0", (a + b).astype(self.dtype))
            a -= b
            rest = pb_utils.Tensor("OUTPUT1", a)
            responses.append(pb_utils.InferenceResponse(output_tensors=[total, rest]))
        pb_utils.Logger.log_warn(f"answered {len(responses)}")
        return responses

    def finalize(self):
        print("cleaned up")
