#!/bin/sh
# Start node 5 in the foreground; Ctrl-C stops it. Its settings are in 5.env.
exec "$(dirname "$0")/tools/run_node.sh" 5
