"""One running member: the driver that owns the core, and what clients wait for.

Everything here runs on one event loop and is owned by one task; front ends hand
in requests and get futures. No locks, no threads.
"""
