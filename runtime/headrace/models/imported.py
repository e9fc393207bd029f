"""Libraries that a model may have brought along."""

import sys
from typing import Any


def imported(name: str) -> Any:
    """Return the module ``name`` if this process has imported it, else None.

    One that another thread is still importing is not there yet: versions that share a process
    serve while the next one is loaded, and half a module has half its names. Nobody can have a
    tensor of it so far.
    """
    module = sys.modules.get(name)
    # What `import` itself looks at, before it waits for that thread.
    is_half = getattr(getattr(module, "__spec__", None), "_initializing", False)
    return None if is_half else module
