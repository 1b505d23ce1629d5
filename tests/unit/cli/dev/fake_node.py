"""Stands in for a node: answers /cluster/info as configured, logs its start, stops on SIGTERM.

Usage: fake_node.py REST_PORT LEADER_ID
"""

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

PORT, LEADER = int(sys.argv[1]), sys.argv[2]


class Info(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"isLeader": False, "leaderId": LEADER, "info": {"currentTerm": 4}})
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Keep the log to what this script prints."""


signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
print(f"pid {os.getpid()} format {os.environ['LOG_FORMAT']}", flush=True)
HTTPServer(("127.0.0.1", PORT), Info).serve_forever()
