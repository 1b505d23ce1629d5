"""Spans of what a node does for sampled requests (see ``docs/observability.md``).

The core knows nothing of traces, and nothing of a trace is stored: which span an entry, a
proposal or a read belongs to stands in tables beside them, by index or ticket, bounded in
number and age. Without tracing none of this is made, and the node runs the plain parts.
"""
