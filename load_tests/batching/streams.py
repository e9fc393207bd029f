"""What answers in parts are measured by: a real generator, and callers who come and go.

The model `generator` keeps a cache for each sequence and steps all of them at once; each of its
parts is one token.
"""

import itertools
import random
import time
from typing import Any, Final

import gevent

from headrace_load.record import percentiles
from headrace_load.streams import streamer
from headrace_load.target import Target

MODEL: Final = "generator"
TOKENS: Final = 64
#: What a caller waits before the next request, at most.
PAUSE_S: Final = 0.2
#: A slow reader looks at one part in so long.
SLOW_S: Final = 0.25


def stream(target: Target, clients: int, seconds: float, *, slow: int = 0) -> dict[str, Any]:
    """Let ``clients`` ask for 64 tokens, again and again, each from a moment of its own.

    ``slow`` others read so slowly that their sequences are paused.
    """
    ask = streamer(target, most=clients + slow, timeout_s=60.0)
    first, gaps, rates = [], [], []
    tokens = 0
    end = time.perf_counter() + seconds

    def inputs(dice: random.Random) -> dict[str, Any]:
        prompt = [dice.randrange(64) for _ in range(dice.randint(4, 32))]
        return {"prompt": prompt, "max_tokens": TOKENS}

    def caller(seed: int) -> None:
        nonlocal tokens
        dice = random.Random(seed)
        gevent.sleep(dice.random() * PAUSE_S)
        while time.perf_counter() < end:
            came = list(ask(MODEL, inputs(dice)))
            tokens += len(came)
            first.append(1000 * came[0])
            gaps.extend(1000 * (b - a) for a, b in itertools.pairwise(came))
            rates.append((len(came) - 1) / max(1e-9, came[-1] - came[0]))
            gevent.sleep(dice.random() * PAUSE_S)

    def reader(seed: int) -> None:
        dice = random.Random(seed)
        while time.perf_counter() < end:
            for _ in ask(MODEL, inputs(dice)):
                gevent.sleep(SLOW_S)
                if time.perf_counter() >= end:
                    return

    began = time.perf_counter()
    slow_ones = [gevent.spawn(reader, -1 - one) for one in range(slow)]
    callers = [gevent.spawn(caller, one) for one in range(clients)]
    gevent.joinall(callers, raise_error=True)
    took = time.perf_counter() - began
    gevent.killall(slow_ones)
    return {
        "clients": clients,
        "slow": slow,
        "requests": len(first),
        "tokens_per_s": tokens / took,
        "first_ms": percentiles(first),
        "gap_ms": percentiles(gaps),
        "tokens_per_s_of_one": percentiles(rates),
    }
