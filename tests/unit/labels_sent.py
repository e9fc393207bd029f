"""Labels of predictions that a desk's versions have made, as a test says."""

from tests.unit.desk import Desk

from headrace.config.feedback import Feedback
from headrace.config.schema import ModelConfig
from headrace.control import labelled
from headrace.feedback.joining import Label, Outcome
from headrace.feedback.prediction import Prediction, Top, written


class Labelled(Desk):
    """A desk whose versions have feedback."""

    feedback: Feedback | None = Feedback()

    def config(self, number: int) -> ModelConfig:
        return super().config(number).model_copy(update={"feedback": self.feedback})


class Labels:
    """Sends labels of predictions that nobody has labelled yet."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.nonce = 0

    def score(self, version: int, scores: list[float], name: str = "clicks") -> None:
        """Say what a score of new predictions was."""
        self._join(version, int(self.desk.now), [(None, {name: one}) for one in scores])

    def send(self, version: int, right: int, wrong: int, made_s: float | None = None) -> None:
        """Label so many predictions, made when the clock of the desk says so."""
        made = int(self.desk.now if made_s is None else made_s)
        said = [(1.0,)] * right + [(0.0,)] * wrong
        self._join(version, made, [(one, {}) for one in said])

    def _join(
        self, version: int, made: int, said: list[tuple[tuple[float, ...] | None, dict[str, float]]]
    ) -> None:
        labels = self.desk.controller.store.labels
        sent = []
        for label, scores in said:
            self.nonce += 1
            one = Prediction("m", version, made, 720, self.nonce, (Top(1, 0.5),))
            sent.append(Label(written(one, labels.key), label, scores=scores))
        judged = labelled.judged(self.desk.rollouts.all())
        assert {one.outcome for one in labels.join(sent, {"m"}, judged)} <= {Outcome.JOINED}
