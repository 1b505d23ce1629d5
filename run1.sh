#!/bin/sh
# Start node 1 in the foreground; Ctrl-C stops it. Its settings are in 1.env.
exec "$(dirname "$0")/tools/run_node.sh" 1
