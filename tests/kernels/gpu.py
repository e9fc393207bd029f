"""Whether there is a GPU, asked of its driver with nothing installed: `make gpu`."""

import ctypes
import sys


def missing() -> str | None:
    """Return why no GPU can be used here, or None."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "there is no NVIDIA driver: libcuda.so.1 was not found"
    count = ctypes.c_int()
    for call, *arguments in ((driver.cuInit, 0), (driver.cuDeviceGetCount, ctypes.byref(count))):
        status = call(*arguments)
        if status:
            return f"the NVIDIA driver finds no device: {call.__name__} gives {status}"
    return None if count.value else "the NVIDIA driver finds no device"


if __name__ == "__main__":
    sys.exit(missing())
