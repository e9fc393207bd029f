"""Open-loop load for any server of the Open Inference Protocol: requests come when they are due.

Callers do not wait for each other. A load that sends the next request when the last one is answered
slows down together with the server, and measures it at its ease. Here each request has a moment at
which it is due, whatever the server does, and its latency counts from then.
"""
