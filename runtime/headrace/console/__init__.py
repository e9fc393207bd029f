"""The REST API for operators, and the log it reads from."""
