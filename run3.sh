#!/bin/sh
# Start node 3 in the foreground; Ctrl-C stops it. Its settings are in 3.env.
exec "$(dirname "$0")/tools/run_node.sh" 3
