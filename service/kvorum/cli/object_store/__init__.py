"""Objects in S3-compatible stores, for the commands that keep backups there."""
