"""Gateways that count rows of a version that is watched."""

import json

import numpy as np
from tests.unit.desk import Desk

WATCHED = {"inputs": ["x"], "reference_rows": 400, "window_rows": 100}


class Gateway:
    """Counts as the core does: totals of one life."""

    def __init__(self, began: int) -> None:
        self.began, self.rows = began, 0
        self.counts: dict[int, int] = {}
        self.dice = np.random.default_rng(began)

    def serve(self, rows: int, shift: float) -> None:
        self.rows += rows
        for place in np.floor(self.dice.normal(4000 + shift, 10, rows)).astype(int).tolist():
            self.counts[place] = self.counts.get(place, 0) + 1

    def told(self) -> str:
        feature = {"name": "mean", "counts": sorted(self.counts.items())}
        tensor = {"name": "x", "role": "input", "features": [feature]}
        facts = {"model": "m", "version": 1, "since": 1, "rows": self.rows, "tensors": [tensor]}
        return json.dumps({"began": self.began, "versions": [facts]})


def look(desk: Desk, *gateways: Gateway, rows: int, shift: float = 0.0) -> None:
    for one in gateways:
        one.serve(rows, shift)
    desk.profiles = [one.told() for one in gateways]
    desk.now += 10.0
    desk.drift.look()


def drifted(desk: Desk) -> Gateway:
    """Have the reference and an alarm, by what one gateway counted."""
    one = Gateway(1)
    look(desk, one, rows=400)
    for shift in (0, 30, 30):
        look(desk, one, rows=100, shift=shift)
    assert desk.drift.all()["m", 1].drifted
    return one
