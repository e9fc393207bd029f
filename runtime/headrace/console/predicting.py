"""The console's answer about one prediction: who made it, and which label has come of it."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, HTTPException

from headrace.console.answering import in_thread
from headrace.console.labelling_schema import Predicted
from headrace.console.parameters import From
from headrace.feedback.prediction import MOST_CHARACTERS, Forged, Top, read
from headrace.rollout.arms import arm_of

MS_PER_S = 1000
router = APIRouter()


@router.get("/api/predictions/{prediction_id}", response_model=Predicted)
@in_thread
def prediction(sources: From, prediction_id: str) -> dict[str, Any]:
    """Show what an id of a prediction says, and its label, as `headrace why`."""
    labels = sources.controller.store.labels
    try:
        made = read(prediction_id[: MOST_CHARACTERS + 1], labels.key)
    except Forged:
        raise HTTPException(
            404, "this server has made no such id: expected x-headrace-prediction-id of an answer"
        ) from None
    arm = arm_of(sources.rollouts.all(), made.model, made.version, made.made_s * MS_PER_S)
    said = labels.said(made.nonce)
    return {
        "model": made.model,
        "version": made.of_version,
        "unix_ms": made.made_s * MS_PER_S,
        "until_unix_ms": made.until_s * MS_PER_S,
        "rows": [row._asdict() if isinstance(row, Top) else {"number": row} for row in made.rows],
        "arm": None if arm is None else asdict(arm),
        "label": None if said is None else list(said),
    }
