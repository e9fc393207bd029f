"""How long each second's answers took, as the controller has it of gateways' histograms."""

import numpy as np
from tests.rollouts.streams import SECONDS, Arm

from headrace.rollout.latency import EDGES_NS
from headrace.rollout.swings import Level


def levels(arm: Arm) -> list[Level]:
    """Return the level of each second; of nothing where an arm has no latencies."""
    places = np.searchsorted(np.array(EDGES_NS), 1e6 * arm.latency_ms, side="right").astype(float)
    seconds = arm.ended_s.astype(int)
    inside = seconds < SECONDS
    sums = (
        np.bincount(seconds[inside], places[inside] ** power, minlength=SECONDS)
        for power in (0, 1, 2)
    )
    return [Level(*map(float, row)) for row in zip(*sums, strict=True)]
