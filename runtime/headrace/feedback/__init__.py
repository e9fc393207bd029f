"""Labels that come later: what they are joined with, and what they say of a version. Pure."""
