"""From a detector's many boxes to the few that an answer names."""
