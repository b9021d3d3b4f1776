"""Memory: what a proxy holds idle, during and after a burst of large bodies, and with many open streams."""

import argparse
import sys
import threading
import time

import cases
import competitors
import load
import measure
import results
import rig as machine

# Between two looks at the memory, in seconds.
PAUSE = 0.5
# A program that has answered once has this long to come to rest, in seconds.
REST = 2
# Seconds after the burst that are shown.
MARKS = (1, 5, 10, 30, 60)
# What is allowed to stay of the gateway's memory, times what was held before.
ALLOWED = 1.3
STREAM_SECONDS, STREAM_TPS = 8, 10


def main():
    options = arguments()
    rows = {}
    chosen = [row for row in measure.chosen_competitors(options) if row.command]
    minutes = len(chosen) * (options.seconds + options.after + REST * 2 + STREAM_SECONDS * 2) / 60
    print(f"{len(chosen)} competitors, about {minutes:.0f} minutes", file=sys.stderr)
    machine.raise_open_files(16384)
    for row in chosen:
        try:
            rows[row.name] = {**burst(row, options), **open_streams(row, options)}
        except (competitors.Unavailable, load.Failed) as reason:
            print(f"{row.name}: {reason}", file=sys.stderr)
    section = {"about": results.about("rss.sh"), "marks": [mark for mark in MARKS if mark <= options.after],
               "burst": f"Burst: {options.kib} KiB bodies on {options.connections} connections for {options.seconds} s",
               "streams": f"Streams: {options.streams} at {STREAM_TPS} frames/s, looked at while all are open",
               "rows": rows}
    print(results.text("memory", section))
    if options.save:
        results.save(options.save, {"memory": section})
    kept = rows.get("gateway", {}).get("kept", 0)
    return 0 if len(rows) == len(chosen) and kept <= ALLOWED else 1


def arguments():
    parser = argparse.ArgumentParser(prog="load-tests/rss.sh", description=__doc__)
    parser.add_argument("--kib", type=int, default=120, help="size of a body")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=int, default=60, help="length of the burst")
    parser.add_argument("--after", type=int, default=60, help="seconds to look on afterwards")
    parser.add_argument("--streams", type=int, default=1000)
    measure.add_competitors(parser)
    parser.add_argument("--save", metavar="NAME", help="write it into results/NAME")
    return parser.parse_args()


def burst(row, options):
    """What it holds before, during and after a burst. It has answered a request before the first look."""
    case = cases.Whole("burst", "burst", options.connections, options.kib).lowered(row)
    with machine.Rig() as rig:
        competitor = competitors.Competitor(row, rig, competitors.provider(rig)).start()
        time.sleep(REST)
        process = competitor.process
        idle = process.memory()
        peak, outcome = watched(process, lambda: load.whole(competitor, case, options.seconds))
        after = look_on(process, options.after)
    print(f"{row.name}: {outcome['count']} requests", file=sys.stderr)
    return {"idle": idle, "peak": peak, "kept": after[max(after)] / idle,
            "after": {str(second): held for second, held in after.items()}}


def watched(process, work):
    """The most memory that was seen during some work, and what came of it."""
    outcome = []

    def do():
        try:
            outcome.append(work())
        except load.Failed as error:
            outcome.append(error)

    working = threading.Thread(target=do)
    peak = 0
    working.start()
    while working.is_alive():
        peak = max(peak, process.memory())
        working.join(PAUSE)
    if isinstance(outcome[0], load.Failed):
        raise outcome[0]
    return peak, outcome[0]


def look_on(process, seconds):
    """{second: bytes}"""
    seen = {}
    began = time.monotonic()
    for mark in range(1, seconds + 1):
        time.sleep(max(0, began + mark - time.monotonic()))
        seen[mark] = process.memory()
    return seen


def open_streams(row, options):
    """What a thousand open streams add, from the middle of a window with all of them open."""
    case = cases.Stream("held", "held", options.streams, STREAM_TPS).lowered(row)
    if not row.takes(cases.BY_NAME["stream1000"]):
        return {}
    with machine.Rig() as rig:
        competitor = competitors.Competitor(row, rig, competitors.provider(rig)).start()
        time.sleep(REST)
        idle = competitor.process.memory()
        peak, _ = watched(competitor.process, lambda: load.streams(competitor, case, STREAM_SECONDS))
    return {"per_1000_streams": (peak - idle) / case.streams * 1000}


if __name__ == "__main__":
    sys.exit(main())
