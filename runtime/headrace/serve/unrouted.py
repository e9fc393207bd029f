"""Stands for Serve's request router, which nobody asks here: no request goes through Ray.

Serve sends the router's class with whatever is deployed, its own as 109 KB of pickled code. What
has more than 100 KB goes through Ray's store of objects instead of in the message, and who is at
that store when its raylet dies ends without a word, the driver too.
"""


class Unrouted:
    """Routes nothing."""
