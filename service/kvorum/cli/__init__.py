"""The command line; each group of commands is a package with its arguments in ``parsers``."""
