"""`kvorum rollout …`: members before and after a StatefulSet is scaled or upgraded."""
