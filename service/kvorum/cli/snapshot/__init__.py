"""`kvorum snapshot …`: backups, taken, looked into and restored."""
