"""Sans-I/O Raft: no clock, no randomness of its own, no I/O, no logging.

Sections (§) refer to Ongaro's thesis "Consensus: Bridging Theory and Practice".
The same inputs in the same order always give the same outputs.
"""
