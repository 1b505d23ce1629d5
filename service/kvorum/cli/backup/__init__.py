"""`kvorum backup`: taken on a schedule, verified, and the oldest removed."""
