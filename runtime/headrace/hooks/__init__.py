"""Tells other programs, by signed webhooks, what was decided and what has failed."""
