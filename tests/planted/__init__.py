"""Bugs that are planted one at a time, to see that the tests can see."""
