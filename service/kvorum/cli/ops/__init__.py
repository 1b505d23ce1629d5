"""The commands of operators: nodes, their data, and the health of a cluster."""
