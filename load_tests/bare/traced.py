"""A command of `headrace` that traces its own process when it is asked to, for `idle.py`.

    traced.py SOCKET serve MODELS --engine local

Who connects to the socket sends any word to begin a trace, and a path to end it and have it there;
each is answered when it is done.
"""

import sys
import threading
from multiprocessing.connection import Connection, Listener

from headrace.cli import main


def listen(listener: Listener) -> None:
    with listener.accept() as asker:
        trace(asker)


def trace(asker: Connection) -> None:
    # Models have brought PyTorch by now: earlier, it would not see how many threads it may have.
    from torch.profiler import ProfilerActivity, _ExperimentalConfig, profile, supported_activities

    #: What a lane does is done by a thread of its own.
    threads = _ExperimentalConfig(profile_all_threads=True)
    activities = supported_activities() & {ProfilerActivity.CPU, ProfilerActivity.CUDA}
    while True:
        try:
            asker.recv()
        except EOFError:
            return
        with profile(activities=activities, experimental_config=threads) as traced:
            asker.send("begun")
            path = asker.recv()
        traced.export_chrome_trace(path)
        asker.send("ended")


if __name__ == "__main__":
    listener = Listener(sys.argv[1], family="AF_UNIX")
    threading.Thread(target=listen, args=(listener,), daemon=True).start()
    main(sys.argv[2:])
