"""Whether what comes in and goes out is what it was: pure decisions."""
