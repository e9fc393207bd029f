"""From a detector's many boxes to the few that an answer names."""

from headrace_kernels.detection.boxes import RaggedBoxes, Suppression
from headrace_kernels.detection.launcher import suppress_boxes

__all__ = ["RaggedBoxes", "Suppression", "suppress_boxes"]
