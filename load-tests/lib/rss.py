"""Memory: what a proxy holds before, during and after a burst of large bodies."""

import argparse
import json
import sys
import threading
import time

import competitors
import load
import rig as machine

MIB = 1024 * 1024
# Between two looks at the memory, in seconds.
PAUSE = 0.5
# Seconds after the burst that are shown.
MARKS = (1, 5, 10, 30, 60)
# What is allowed to stay, times what was held before.
ALLOWED = 1.3


def main():
    options = arguments()
    case = load.Whole("burst", "burst", options.connections, options.kib * 1024)
    rows = []
    for name in options.competitors.split(","):
        with machine.Rig() as rig:
            upstream = competitors.provider(rig)
            rows.append(observe(rig, name, competitors.COMPETITORS[name](rig, upstream), case, options))
    print(f"Resident MiB, {options.kib} KiB bodies on {options.connections} connections for {options.seconds} s:\n")
    titles = ["proxy", "before", "peak", *(f"after {mark} s" for mark in MARKS if mark <= options.after), "kept"]
    print("| " + " | ".join(titles) + " |\n|" + " --- |" * len(titles))
    for row in rows:
        print("| " + " | ".join(cells(row, options)) + " |")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump({"rig": machine.describe(), "rows": rows}, out, indent=1)
    kept = {row["proxy"]: row["kept"] for row in rows}
    return 0 if kept.get("gateway", 0) <= ALLOWED else 1


def arguments():
    parser = argparse.ArgumentParser(prog="load-tests/rss.sh", description=__doc__)
    parser.add_argument("--kib", type=int, default=120, help="size of a body")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=int, default=60, help="length of the burst")
    parser.add_argument("--after", type=int, default=60, help="seconds to look on afterwards")
    parser.add_argument("--competitors", default="bare,gateway")
    parser.add_argument("--json", metavar="FILE", help="write every sample")
    return parser.parse_args()


def observe(rig, name, competitor, case, options):
    """One competitor's memory over a burst. It has answered a request before the first look."""
    process, port = competitor
    case.check(port)
    time.sleep(PAUSE)
    before = process.rss_bytes()
    samples = []
    outcome = {}

    def burst():
        try:
            outcome.update(case.load(rig, port, options.seconds))
        except load.Failed as error:
            outcome["failed"] = str(error)

    loading = threading.Thread(target=burst)
    began = time.monotonic()
    loading.start()
    while loading.is_alive():
        samples.append((round(time.monotonic() - began, 1), process.rss_bytes()))
        loading.join(PAUSE)
    if "failed" in outcome:
        raise SystemExit(f"{name}: {outcome['failed']}")
    after = look_on(process, options.after)
    print(f"{name}: {outcome['count']} requests", file=sys.stderr)
    return {"proxy": name, "requests": outcome["count"], "before": before,
            "peak": max(rss for _, rss in samples), "kept": after[max(after)] / before,
            "after": after, "samples": samples}


def look_on(process, seconds):
    """{second: bytes}"""
    seen = {}
    began = time.monotonic()
    for mark in range(1, seconds + 1):
        time.sleep(max(0, began + mark - time.monotonic()))
        seen[mark] = process.rss_bytes()
    return seen


def cells(row, options):
    marks = [row["after"][mark] for mark in MARKS if mark <= options.after]
    return [row["proxy"], *(f"{value / MIB:.1f}" for value in (row["before"], row["peak"], *marks)),
            f"{row['kept']:.2f} x before"]


if __name__ == "__main__":
    sys.exit(main())
