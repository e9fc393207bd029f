"""What decides a rollout: its record, the tests of its evidence, and the next move."""
