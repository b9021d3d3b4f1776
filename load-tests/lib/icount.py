"""User instructions (callgrind, one connection) and system calls (strace, 32 connections) per request.

Neither moves with the machine's load, so both are good for comparing two commits. Instructions are counted for
two numbers of requests; what start and end cost is gone from the difference. System calls are counted under load,
where one wait for events serves several connections, as it does in use.
"""

import argparse
import dataclasses
import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import cases
import competitors
import load
import measure
import results
import rig as machine

ATTACH_SECONDS = 10
# Of the load whose system calls are counted, and of that before it, which opens the upstream connections.
CONNECTIONS, WARM_SECONDS, TRACED_SECONDS = 32, 0.3, 2
# What valgrind costs a program's start.
SLOWNESS = 6
PLACE = b"0" * 7


def main():
    options = arguments()
    case = cases.BY_NAME[options.case]
    rows = {}
    print("some minutes", file=sys.stderr)
    section = {"about": results.about("icount.sh"), "case": case.name, "requests": options.requests, "rows": rows}
    for row in measure.chosen_competitors(options):
        if not row.command:
            continue
        try:
            rows[row.name] = observe(row, case, options)
        except competitors.Unavailable as reason:
            print(reason, file=sys.stderr)
    print(results.text("instructions", section))
    if options.save:
        results.save(options.save, {"instructions": section})
    return 0 if rows else 1


def arguments():
    parser = argparse.ArgumentParser(prog="load-tests/icount.sh", description=__doc__)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--case", default="chat1",
                        choices=[case.name for case in cases.CASES if isinstance(case, cases.Whole)])
    measure.add_competitors(parser)
    parser.add_argument("--profile", metavar="FOLDER", help="keep callgrind's files there")
    parser.add_argument("--save", metavar="NAME", help="write it into results/NAME")
    return parser.parse_args()


def observe(row, case, options):
    """{"instructions", "system_calls", "calls"} per request; the latter two where strace is."""
    few = options.requests // 10
    total = instructions(row, case, few + options.requests, options.profile)
    found = {"instructions": (total - instructions(row, case, few, None)) / options.requests}
    if shutil.which("strace"):
        found["system_calls"], found["calls"] = system_calls(row, case)
    return found


def instructions(row, case, requests, kept):
    """Of a whole run with so many requests, start and end included; of all its processes."""
    settings = [f"{key}={value}" for key, value in machine.NO_STRING_COPIES.items()]
    with machine.slowed(SLOWNESS), machine.Rig() as rig:
        folder = kept or rig.folder
        os.makedirs(folder, exist_ok=True)
        out = os.path.join(folder, f"callgrind.{row.name}.{case.name}")
        rig.instruments[row.name] = ["env", *settings, "valgrind", "--tool=callgrind", "--trace-children=yes",
                                     f"--callgrind-out-file={out}.%p"]
        competitor = competitors.Competitor(row, rig, competitors.provider(rig)).start()
        pids = competitor.process.pids()
        send(competitor, case, [0] * requests)
        competitor.process.end()
        files = [path for pid in pids for path in glob.glob(f"{out}.{pid}")]
        if not files:
            raise competitors.Unavailable(f"{row.name}: callgrind wrote nothing")
        return sum(map(counted, files))


def counted(path):
    with open(path, encoding="utf-8", errors="replace") as profile:
        totals = re.findall(r"^(?:totals|summary): (\d+)", profile.read(), re.MULTILINE)
    return int(totals[-1]) if totals else 0


def send(competitor, case, numbers):
    """A request for each number, one after the other on one connection, each in one write; the number stands in place
    of each seven zeros."""
    call = competitor.call(case.alias, case.dialect)
    body = case.body(call.model)
    headers = "".join(f"{header}\r\n" for header in call.headers)
    head = (f"POST {call.path} HTTP/1.1\r\nHost: 127.0.0.1:{competitor.port}\r\n"
            f"Authorization: Bearer {competitor.key}\r\nContent-Type: application/json\r\n"
            f"anthropic-version: 2023-06-01\r\n{headers}Content-Length: {len(body)}\r\n\r\n").encode()
    with socket.create_connection(("127.0.0.1", competitor.port), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number in numbers:
            digits = b"%07d" % number
            connection.sendall((head + body).replace(PLACE, digits))
            receive(connection, f'"{call.answers}"'.encode().replace(PLACE, digits))


def receive(connection, expected):
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
    if expected not in body:
        raise RuntimeError(f"not the answer: {body[:200]!r}")


def read(connection):
    piece = connection.recv(1 << 16)
    if not piece:
        raise RuntimeError("the connection ended within an answer")
    return piece


def system_calls(row, case):
    """Per request, and the most frequent ones."""
    case = dataclasses.replace(case, connections=CONNECTIONS).lowered(row)
    with machine.Rig() as rig:
        competitor = competitors.Competitor(row, rig, competitors.provider(rig)).start()
        load.whole(competitor, case, WARM_SECONDS)
        pids = competitor.process.pids()
        summary = os.path.join(rig.folder, "strace")
        attach = [word for pid in pids for word in ("-p", str(pid))]
        strace = subprocess.Popen(["strace", "-c", "-f", "-o", summary, *attach], stderr=subprocess.DEVNULL)
        try:
            await_tracer(pids)
            requests = load.whole(competitor, case, TRACED_SECONDS)["count"]
        finally:
            strace.send_signal(signal.SIGINT)
            strace.wait(machine.STOP_SECONDS)
        with open(summary, encoding="utf-8") as text:
            rows = re.findall(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", text.read(), re.MULTILINE)
    counts = sorted(((int(count) / requests, call) for count, call in rows if call != "total"), reverse=True)
    return sum(count for count, _ in counts), ", ".join(f"{call} {count:.2f}" for count, call in counts[:6])


def await_tracer(pids):
    """Until every thread is traced."""
    deadline = time.monotonic() + ATTACH_SECONDS
    while time.monotonic() < deadline:
        if all(traced(pid, task) for pid in pids for task in machine.tasks(pid)):
            return
        time.sleep(0.02)
    raise RuntimeError("strace did not attach; is ptrace allowed here?")


def traced(pid, task):
    with open(f"/proc/{pid}/task/{task}/status", encoding="ascii", errors="replace") as status:
        return "TracerPid:\t0\n" not in status.read()


if __name__ == "__main__":
    sys.exit(main())
