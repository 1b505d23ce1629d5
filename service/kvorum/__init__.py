"""kvorum: a Raft-replicated key-value store that can be read in an afternoon."""
