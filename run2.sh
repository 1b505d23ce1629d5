#!/bin/sh
# Start node 2 in the foreground; Ctrl-C stops it. Its settings are in 2.env.
exec "$(dirname "$0")/tools/run_node.sh" 2
