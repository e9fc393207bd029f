"""What labels say to rollouts that judge accuracy."""

from collections.abc import Callable, Iterable, Iterator

from headrace.config.rollouts import RolloutPlan
from headrace.control.labels import Judged, Labels
from headrace.errors import StateInvalid, Unwanted
from headrace.repository.folder import Version
from headrace.rollout.counted import DATABASE, Counted, Totals
from headrace.rollout.course import Course


def judged(courses: Iterable[Course]) -> dict[str, Judged]:
    """Return the rollouts that labels are counted for, by model."""
    return {
        one.model: Judged(one.number, one.compared_s or one.began_unix_ms / 1000)
        for one in courses
        if _counts(one)
    }


def counted(
    labels: Labels, courses: Iterable[Course], say: Callable[[str], None]
) -> Iterator[Counted]:
    """Yield what labels have said so far, to each rollout that they are counted for.

    ``say`` hears why that is not known now.
    """
    for course in filter(_counts, courses):
        try:
            told = labels.units(course.model, course.number)
        except StateInvalid as error:
            say(f"what labels have said cannot be read: {error}")
            continue
        for version, units in told.items():
            if (lines := course.judged.get(version)) is not None:
                totals = Totals.of_labels(units, len(lines))
                yield Counted(
                    course.model, version, DATABASE, course.number, lines, course.number, totals
                )


def may_be_labelled(plan: RolloutPlan, version: Version) -> None:
    """Check that labels can say how accurate a version is, where a plan compares that.

    Raises:
        Unwanted: its answers have no ids.
    """
    if plan.judge.accuracy is None:
        return
    if not version.is_hosted:
        raise Unwanted(
            f"accuracy is what labels say, and no host runs {version.label}, whose answers have no "
            "ids to send them with: take accuracy out of the plan"
        )
    if version.config.feedback is None:
        raise Unwanted(
            f"accuracy is what labels say, and answers of {version.label} have no ids to send "
            "them with: write feedback into its model.yaml and load it anew"
        )


def _counts(course: Course) -> bool:
    judges = course.plan.judge.accuracy is not None
    return judges and course.end is None and course.lines is not None
