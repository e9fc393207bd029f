"""A watch looks at Serve only while there is reason to, and never after it was stopped."""

import threading
from collections.abc import Mapping

from headrace.execution import threads
from headrace.models.lifecycle import Standing
from headrace.serve import fleet
from headrace.serve.plan import Plan
from headrace.serve.watch import Reach, Watch


class Serve:
    """What Serve would say, and whether it was asked."""

    def __init__(self, applications: Mapping[str, fleet.Application]) -> None:
        self.applications = applications
        self.asked = threading.Semaphore(0)
        self.broken: list[str] = []

    def look(self) -> Mapping[str, fleet.Application]:
        self.asked.release()
        return self.applications

    def watch(self) -> Watch:
        def ignore(standings: Mapping[str, Standing], sequence: int = 0) -> None: ...

        reach = Reach(
            look=self.look,
            publish=ignore,
            changed=ignore,
            broken=self.broken.append,
            lost=(LookupError,),
            gateway="gateway",
        )
        plan = Plan(groups=(), settings={}, drain_s=1.0, budget=threads.plan(2, 1))
        return Watch(plan, reach)


def test_who_was_stopped_does_not_ask_again() -> None:
    serve = Serve({})
    watch = serve.watch()
    watch.start()
    assert serve.asked.acquire(timeout=60)
    watch.stop(60)
    while serve.asked.acquire(blocking=False):
        pass
    watch.hear("nobody/1", {"event": "gone"})
    assert not serve.asked.acquire(timeout=0.3)


def test_a_watch_that_never_began_may_be_stopped() -> None:
    Serve({}).watch().stop(0)


def test_a_gateway_that_cannot_start_ends_the_run() -> None:
    failed = fleet.Application("DEPLOY_FAILED", message="Traceback\nOSError: no memory\n")
    serve = Serve({"gateway": failed})
    watch = serve.watch()
    watch.start()
    assert serve.asked.acquire(timeout=60)
    watch.stop(60)
    assert serve.broken[0] == "the gateway could not start: OSError: no memory"
