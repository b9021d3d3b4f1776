"""Runs the groups of cases in order, a line for each case; the first group with failures is the last one."""

import os
import socket
import sys
import time

from cases import connection, floods, flow, messages, streams, tools
from wire import Server

GROUPS = [
    ("tools", tools.CASES),
    ("connections", connection.CASES),
    ("streams", streams.CASES),
    ("messages", messages.CASES),
    ("flow", flow.CASES),
    ("floods", floods.CASES),
]


def main():
    host, port = os.environ["GATEWAY_ADDRESS"].rsplit(":", 1)
    server = Server((host, int(port)), os.environ["GATEWAY_KEY"], int(os.environ["GATEWAY_PID"]), sys.argv[1])
    began, total = time.monotonic(), 0
    for group, cases in GROUPS:
        failed = [name for name, case in cases if not passes(group, name, case, server)]
        total += len(cases)
        if failed:
            print(f"{len(failed)} of {len(cases)} cases of \"{group}\" failed")
            return 1
    print(f"{total} cases passed in {time.monotonic() - began:.0f} s")
    return 0


def passes(group, name, case, server):
    """Runs one case; afterwards the gateway must still serve."""
    try:
        case(server)
        server.assert_alive()
    except (AssertionError, OSError, socket.timeout) as error:
        print(f"FAIL {group}: {name}: {error or type(error).__name__}", flush=True)
        return False
    print(f"ok   {group}: {name}", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
