"""The engine on Ray Serve, which places, watches and replaces processes and carries no requests.

The only folder that imports ray.
"""

import signal

from headrace.config.options import ServeOptions
from headrace.execution.ending import awaited


def run(options: ServeOptions) -> int:
    """Serve until a signal; return the exit code.

    Raises:
        HeadraceError: it cannot start as asked: models, ports, the state folder.
    """
    # NumPy has threads from its import on. One that does not block signals gets those that are to
    # be taken from the kernel's queue, and would end all of this at once.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, awaited())
    try:
        from headrace.serve.launch import launch
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return launch(options)
