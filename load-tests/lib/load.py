"""One window of load on one competitor, and what it cost. Every answer and every frame of it is looked at."""

import json
import os
import select
import subprocess
import time

import cases
import competitors
import rig as machine

# Between the starts of two streams, in seconds, as in sse-load.
STAGGER = 0.00113
# The longest a window may take beyond its length.
PATIENCE = 120


class Failed(Exception):
    """A window that does not count."""


def window(competitor, case, seconds):
    """Puts load on one competitor; the numbers of this window."""
    if isinstance(case, cases.Stream):
        return streams(competitor, case, seconds)
    return whole(competitor, case, seconds)


def whole(competitor, case, seconds, more=()):
    """Answers in one piece. The whole run of the load is the window."""
    call = competitor.call(case.alias, case.dialect)
    body = case.body(call.model)
    problem = competitor.problem(case.alias, body, case.dialect)
    if problem:
        raise Failed(problem)
    command = [competitors.program("post-load"), *asked(competitor, call), "--path", call.path,
               "--body", competitor.rig.file("body.json", body), "--connections", str(case.connections),
               "--seconds", str(seconds), *expected(call, case.dialect), *more]
    before = cpu_seconds(competitor)
    try:
        done = machine.run(command, seconds + PATIENCE)
    except subprocess.TimeoutExpired as error:
        raise Failed("post-load did not end") from error
    seen = report(done.stdout, done.stderr)
    if seen["faults"] or not seen["requests"]:
        raise Failed(f"{len(seen['faults'])} faults in {seen['requests']} requests: {seen['faults'][:1]}")
    numbers = {"count": seen["requests"], "per_second": seen["requests"] / seen["seconds"],
               "p50_us": seen["latency_us"]["p50"], "p99_us": seen["latency_us"]["p99"]}
    return with_cpu(numbers, competitor, before)


def expected(call, dialect):
    """What every answer must contain: the model's name, the usage, and what the provider says."""
    said = "This answer is simulated: no model was asked."
    usage = "completion_tokens" if dialect == "openai" else "output_tokens"
    return [word for text in (f'"{call.answers}"', f'"{usage}"', said) for word in ("--expect", text)]


def asked(competitor, call):
    headers = [word for header in call.headers for word in ("--header", header)]
    return ["--target", f"127.0.0.1:{competitor.port}", "--key", competitor.key, *headers]


def streams(competitor, case, seconds):
    """Event streams. The window begins when all of them are open."""
    outlasting = int(case.tps * (case.streams * STAGGER * 1.3 + seconds + 0.3)) + 2
    command = sse_command(competitor, case, seconds) + ["--tokens", str(case.tokens or outlasting)]
    with machine.pinned(machine.LOAD_CORE):
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        seen, marks = marked(child, competitor, time.monotonic() + seconds + PATIENCE)
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    if not seen["sound"] or len(marks) != 2:
        raise Failed(f"faults {seen['faults']} in {seen['streams']} streams")
    return stream_numbers(competitor, seen, *marks)


def sse_command(competitor, case, seconds):
    call = competitor.call(case.alias, case.dialect)
    return [competitors.program("sse-load"), *asked(competitor, call), "--path", call.path,
            "--provider", f"127.0.0.1:{competitor.words['upstream']}", "--dialect", case.dialect,
            "--model", call.model, "--answers", call.answers, "--streams", str(case.streams),
            "--tps", str(case.tps), "--window", str(seconds)]


def marked(child, competitor, deadline):
    """The report of sse-load, and at the window's begin and end: when, how many frames, how much CPU time."""
    marks, buffer = [], ""
    while select.select([child.stdout], [], [], max(0, deadline - time.monotonic()))[0]:
        piece = os.read(child.stdout.fileno(), 65536).decode()
        now = (time.monotonic(), cpu_seconds(competitor))
        buffer += piece
        *lines, buffer = buffer.split("\n")
        for line in map(json.loads, lines):
            if "mark" not in line:
                return line, marks
            marks.append((*now, line["frames"]))
        if not piece:
            break
    raise Failed("sse-load did not end")


def stream_numbers(competitor, seen, begin, end):
    frames, length = end[2] - begin[2], end[0] - begin[0]
    if frames <= 0:
        raise Failed("no frame came in the window")
    numbers = {"count": frames, "per_second": frames / length, "streams": seen["streams"],
               "first_p50_us": seen["first_us"]["p50"], "first_p99_us": seen["first_us"]["p99"]}
    for kind in ("gap", "delay"):
        if seen[f"{kind}_us"]["count"]:
            numbers[f"{kind}_p50_us"] = seen[f"{kind}_us"]["p50"]
            numbers[f"{kind}_p99_us"] = seen[f"{kind}_us"]["p99"]
    if competitor.process:
        numbers["cpu_us"] = (end[1] - begin[1]) * 1e6 / frames
    return numbers


def with_cpu(numbers, competitor, before):
    if competitor.process:
        if not competitor.process.lives():
            raise Failed("the proxy has died")
        numbers["cpu_us"] = (cpu_seconds(competitor) - before) * 1e6 / numbers["count"]
    return numbers


def cpu_seconds(competitor):
    return competitor.process.cpu_seconds() if competitor.process else 0.0


def report(out, err):
    lines = out.strip().splitlines()
    if not lines:
        raise Failed(err.strip()[:300] or "the load generator said nothing")
    return json.loads(lines[-1])
