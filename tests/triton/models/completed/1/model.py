"""Says what it takes and gives itself, and answers in a coroutine."""

import asyncio

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    @staticmethod
    def auto_complete_config(auto_complete_model_config):
        given = auto_complete_model_config.as_dict()
        assert given["input"] == []
        auto_complete_model_config.add_input({"name": "x", "data_type": "TYPE_INT64", "dims": [2]})
        auto_complete_model_config.add_output({"name": "y", "data_type": "TYPE_INT64", "dims": [2]})
        auto_complete_model_config.set_max_batch_size(4)
        auto_complete_model_config.set_dynamic_batching()
        return auto_complete_model_config

    async def execute(self, requests):
        await asyncio.sleep(0)
        inputs = [pb_utils.get_input_tensor_by_name(one, "x") for one in requests]
        outputs = [pb_utils.Tensor("y", one.as_numpy() * 3) for one in inputs]
        return [pb_utils.InferenceResponse(output_tensors=[one]) for one in outputs]
