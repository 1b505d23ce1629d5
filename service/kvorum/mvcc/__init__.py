"""Sans-I/O, deterministic state machine: the same log gives the same state on every node."""
