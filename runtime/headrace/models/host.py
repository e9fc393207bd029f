"""Arrays of any library, brought to the host's memory."""

from typing import Any

from headrace.models.imported import imported


def on_host(value: Any) -> Any:
    """Return what NumPy can read; what lies in the host's memory is not copied."""
    torch = imported("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        from headrace.models.torch_tensor import to_host

        return to_host(value)
    if hasattr(value, "__cuda_array_interface__"):
        # CuPy's name for a copy to the host.
        return value.get()
    return value
