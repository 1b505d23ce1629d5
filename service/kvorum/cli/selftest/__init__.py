"""`kvorum selftest`: whether a cluster does what it is for."""
