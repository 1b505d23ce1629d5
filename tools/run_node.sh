#!/bin/sh
# Start the node of N.env in the foreground: tools/run_node.sh N. run1.sh … run5.sh call this.
set -eu
cd "$(dirname "$0")/.."
"${PYTHON:-python3}" tools/bootstrap.py
exec .venv/bin/kvorum serve --env-file "$1.env"
