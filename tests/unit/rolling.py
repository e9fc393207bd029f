"""A server with two versions of a model, one of which is rolled out."""

from typing import Any

from tests.unit.counting import CountingGateway
from tests.unit.desk import Desk

from headrace.config.rollouts import RolloutPlan
from headrace.control import orders
from headrace.control.releasing import release
from headrace.execution.policy import WHOLE
from headrace.models.lifecycle import State
from headrace.rollout.course import Course

ME: dict[str, Any] = {"who": "me", "why": "for a test"}
READY = {1: State.READY, 2: State.READY}


def plan(**said: Any) -> RolloutPlan:
    asked: dict[str, Any] = {
        "judge": {"errors": {"max_increase_points": 0.5}},
        "steps_percent": [5, 25, 100],
        "minimum": {"units": 50, "minutes": 0},
    }
    return RolloutPlan.model_validate(asked | said)


class Play:
    """A server with two versions of a model, the first of which serves."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.gateway = CountingGateway()
        self.ready()

    def ready(self) -> None:
        self.desk.stand(m=READY)
        if self.desk.controller.wanted()["m"].shares == {2: WHOLE}:
            self.desk.controller.obey(orders.split("m", {1: WHOLE}), **ME)

    def start(self, asked: RolloutPlan | None = None, **said: Any) -> Course:
        given = {"baseline": None, **ME} | said
        return self.desk.rollouts.start("m", 2, asked or plan(), **given)

    def look(self, bad: float = 0.0) -> Course:
        """Have both versions run 50 batches, so many of the candidate's bad, and look."""
        routes = self.desk.divisions["m"].routes
        judged = {one["version"]: tuple(one["slow_ns"]) for one in routes.get("judged", ())}
        self.gateway.rollout = self.desk.rollouts.all()[-1].number
        self.gateway.follow(judged)
        self.gateway.count(1, 50, bad=0.5)
        self.gateway.count(2, 50, bad=bad)
        self.desk.gateways = [self.gateway.told()]
        self.desk.now += 1
        self.desk.rollouts.look()
        return self.desk.rollouts.all()[-1]

    def release(self) -> None:
        """Have a version that was rolled back released by a person."""
        release(self.desk.controller, self.desk.rollouts.telling, "m", 2, **ME)

    @property
    def shares(self) -> Any:
        return self.desk.divisions["m"].shares

    @property
    def journal(self) -> list[str]:
        entries = self.desk.controller.store.journal(100)
        return [f"{one.who}: {one.what}" for one in reversed(entries)][2:]
