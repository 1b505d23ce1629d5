"""Sans-I/O, deterministic state machine: the same log gives the same state on every node.

It knows no clock, no randomness, no settings and no disk. Whatever it needs of
them arrives inside the log: time and retention in each batch's stamp, request
ids in its commands. Replicas that applied the same entries hold equal state.
"""
