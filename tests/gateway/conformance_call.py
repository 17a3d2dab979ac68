"""The program that the conformance suite runs as its client: it asks the test process to be one, which costs no start.

`python -I -S conformance_call.py SOCKET URL`
"""

import json
import os
import socket
import sys

with socket.socket(socket.AF_UNIX) as line:
    line.connect(sys.argv[1])
    names = ("MCP_CONFORMANCE_SCENARIO", "MCP_CONFORMANCE_CONTEXT")
    line.sendall(json.dumps([sys.argv[2], *(os.environ.get(name, "") for name in names)]).encode() + b"\n")
    fault = line.makefile().read()
sys.exit(fault or None)
