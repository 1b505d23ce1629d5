"""`kvorum status` and `kvorum check`: how a cluster is, and how fast."""
