"""From raw inputs of any size to a model's input tensor, in one launch.

Kernels for CUDA, with a launcher and a NumPy reference for each. Nothing of Headrace is imported,
and CuPy only by a call that runs on a device.
"""
