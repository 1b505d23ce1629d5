"""How a node is watched: logs, metrics, traces. Handed in, never global."""
