"""The command line: `kvorum serve`, `kvorum dev`."""
