#!/bin/sh
# Start node 4 in the foreground; Ctrl-C stops it. Its settings are in 4.env.
exec "$(dirname "$0")/tools/run_node.sh" 4
