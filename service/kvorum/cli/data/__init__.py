"""The commands on data: keys, transactions, watches, leases, locks, elections, files."""
