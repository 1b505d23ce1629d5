"""The command line: `kvorum serve`, `dev`, `member`, `transfer`, `recover`."""
