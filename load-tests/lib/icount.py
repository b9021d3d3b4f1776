"""User instructions (callgrind) and system calls (strace) per small request, one connection.

Neither moves with the machine's load, so both are good for comparing two commits. Instructions are counted for
two numbers of requests; what start and end cost is gone from the difference.
"""

import argparse
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import competitors
import load
import rig as machine

# What a valgrind of today needs to start a program, and a while.
machine.READY_SECONDS = 120
machine.STOP_SECONDS = 60
ATTACH_SECONDS = 10


def main():
    parser = argparse.ArgumentParser(prog="load-tests/icount.sh", description=__doc__)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--profile", metavar="FOLDER", help="keep callgrind's files there")
    parser.add_argument("--competitors", default="bare,gateway")
    parser.add_argument("--case", default="plain1", choices=[c.name for c in load.CASES if c.unit == "request"])
    options = parser.parse_args()
    case = next(case for case in load.CASES if case.name == options.case)
    for name in options.competitors.split(","):
        counted = instructions(name, case, options)
        print(f"{name:<10} {counted:>10,.0f} instructions/request")
        if shutil.which("strace"):
            calls, listing = system_calls(name, case, options.requests)
            print(f"{name:<10} {calls:>10.2f} system calls/request   {listing}")
    return 0


def instructions(name, case, options):
    few = options.requests // 10
    kept = os.path.join(options.profile, f"callgrind.{name}.{case.name}") if options.profile else None
    total = run_counted(name, case, few + options.requests, kept)
    return (total - run_counted(name, case, few, None)) / options.requests


def run_counted(name, case, requests, kept):
    settings = [f"{key}={value}" for key, value in machine.NO_STRING_COPIES.items()]
    with machine.Rig() as rig:
        out = kept or os.path.join(rig.folder, "callgrind.out")
        rig.instruments[name] = ["env", *settings, "valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"]
        upstream = competitors.provider(rig)
        process, port = competitors.COMPETITORS[name](rig, upstream)
        send(port, case, requests)
        process.end()
        with open(out, encoding="utf-8", errors="replace") as profile:
            totals = re.findall(r"^(?:totals|summary): (\d+)", profile.read(), re.MULTILINE)
        return int(totals[-1])


def send(port, case, requests):
    """Requests one after the other on one connection, each in one write."""
    head = (f"POST {case.path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {competitors.KEY}\r\n"
            f"Content-Type: application/json\r\nanthropic-version: 2023-06-01\r\n"
            f"Content-Length: {len(case.body)}\r\n\r\n").encode()
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(requests):
            connection.sendall(head + case.body)
            receive(connection)


def receive(connection):
    """One whole answer with a Content-Length."""
    seen = b""
    while b"\r\n\r\n" not in seen:
        seen += read(connection)
    head, _, body = seen.partition(b"\r\n\r\n")
    length = re.search(rb"(?im)^content-length: *(\d+)", head)
    if not head.startswith(b"HTTP/1.1 200") or not length:
        raise RuntimeError(f"not an answer to count: {head[:200]!r}")
    while len(body) < int(length.group(1)):
        body += read(connection)


def read(connection):
    piece = connection.recv(1 << 16)
    if not piece:
        raise RuntimeError("the connection ended within an answer")
    return piece


def system_calls(name, case, requests):
    """Per request, and the most frequent ones."""
    with machine.Rig() as rig:
        upstream = competitors.provider(rig)
        process, port = competitors.COMPETITORS[name](rig, upstream)
        send(port, case, 50)
        summary = os.path.join(rig.folder, "strace")
        strace = subprocess.Popen(["strace", "-c", "-f", "-o", summary, "-p", str(process.pid)],
                                  stderr=subprocess.DEVNULL)
        try:
            await_tracer(process.pid)
            send(port, case, requests)
        finally:
            strace.send_signal(signal.SIGINT)
            strace.wait(machine.STOP_SECONDS)
        with open(summary, encoding="utf-8") as text:
            rows = re.findall(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", text.read(), re.MULTILINE)
    counts = sorted(((int(count) / requests, call) for count, call in rows if call != "total"), reverse=True)
    return sum(count for count, _ in counts), ", ".join(f"{call} {count:.2f}" for count, call in counts[:6])


def await_tracer(pid):
    """Until every thread is traced."""
    deadline = time.monotonic() + ATTACH_SECONDS
    while time.monotonic() < deadline:
        status = [open(f"/proc/{pid}/task/{task}/status", encoding="ascii").read()
                  for task in os.listdir(f"/proc/{pid}/task")]
        if all("TracerPid:\t0\n" not in text for text in status):
            return
        time.sleep(0.02)
    raise RuntimeError("strace did not attach; is ptrace allowed here?")


if __name__ == "__main__":
    sys.exit(main())
