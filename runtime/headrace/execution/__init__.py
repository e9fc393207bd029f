"""Running a version: opening it, warming it up, and the threads that answer its batches."""
