"""The page and the REST API for operators, and the log they read from."""
