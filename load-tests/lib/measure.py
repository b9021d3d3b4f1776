"""Interleaved rounds over all competitors and cases, and the table of what they cost."""

import argparse
import json
import os
import shlex
import statistics
import sys

import competitors
import load
import rig as machine

HERE = os.path.dirname(os.path.abspath(__file__))
# A window that fails is tried again so often before its round goes without it.
TRIES = 3

# Column, title, and whether it is shown as what it adds to `direct`.
COLUMNS = {
    "cpu_us": ("CPU us", False), "per_second": ("per second", False),
    "p50_us": ("added p50 us", True), "p99_us": ("added p99 us", True),
    "first_p50_us": ("first frame p50 us", True),
    "delay_p50_us": ("added delay p50 us", True), "delay_p99_us": ("added delay p99 us", True),
    "gap_p99_us": ("added gap p99 us", True),
}


def main():
    options = arguments()
    cases = [case for case in load.CASES if not options.cases or case.name in options.cases]
    with machine.Rig() as rig:
        upstream = competitors.provider(rig)
        running = {name: started for name, start in competitors.COMPETITORS.items()
                   if name in options.competitors and (started := start(rig, upstream))}
        results = measure(rig, running, cases, options)
    report = {"rig": machine.describe(), "command": command_line(), "rounds": options.rounds,
              "window_seconds": options.window, "results": results}
    text = table(report, cases)
    print(text)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump(report, out, indent=1)
    if options.save:
        save(options.save, report, text)
    return 0 if all(any(windows) for case in results.values() for windows in case.values()) else 1


def arguments():
    parser = argparse.ArgumentParser(prog="load-tests/run.sh", description=__doc__)
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("ROUNDS", 7)))
    parser.add_argument("--window", type=int, default=int(os.environ.get("WINDOW", 2)), help="seconds")
    parser.add_argument("--cases", type=names(case.name for case in load.CASES), default=[],
                        help="of " + ", ".join(case.name for case in load.CASES))
    parser.add_argument("--competitors", type=names(competitors.COMPETITORS),
                        default=list(competitors.COMPETITORS), help="of " + ", ".join(competitors.COMPETITORS))
    parser.add_argument("--json", metavar="FILE", help="write the raw numbers of every window")
    parser.add_argument("--save", metavar="NAME", help="write load-tests/results/NAME.md")
    return parser.parse_args()


def names(known):
    known = list(known)

    def read(text):
        chosen = text.split(",")
        unknown = [name for name in chosen if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}")
        return chosen

    return read


def measure(rig, running, cases, options):
    """{case: {competitor: [numbers of a window, or None]}}, one window per round."""
    results = {case.name: {name: [] for name in running} for case in cases}
    for round_number in range(1, options.rounds + 1):
        for case in cases:
            for name, competitor in running.items():
                progress(f"round {round_number}/{options.rounds} {case.name} {name}")
                results[case.name][name].append(window(rig, case, name, competitor, options.window))
    progress("")
    return results


def progress(text):
    if sys.stderr.isatty():
        print(f"\r{text:<60}\r", end="", file=sys.stderr, flush=True)


def window(rig, case, name, competitor, seconds):
    for _ in range(TRIES):
        try:
            return case.window(rig, competitor, seconds)
        except (load.Failed, OSError) as error:
            print(f"\n{case.name} {name}: {error}", file=sys.stderr)
    return None


def table(report, cases):
    parts = []
    for case in cases:
        results = report["results"][case.name]
        columns = [column for column in COLUMNS if any(column in (w or {}) for ws in results.values() for w in ws)]
        rows = [[name, *(cell(results, name, column) for column in columns),
                 ratio(results, name, case.baseline)] for name in results]
        titles = [case.name, *(title(column, case) for column in columns), f"CPU / {case.baseline}"]
        parts.append(f"**{case.title}**\n\n" + markdown(titles, rows))
    return "\n\n".join(parts)


def title(column, case):
    text = COLUMNS[column][0]
    return f"CPU us/{case.unit}" if column == "cpu_us" else f"{case.unit}s/s" if column == "per_second" else text


def cell(results, name, column):
    values = [window[column] for window in results[name] if window and column in window]
    if COLUMNS[column][1] and name != "direct" and "direct" in results:
        values = paired(results, name, "direct", column, lambda mine, other: mine - other)
    if not values:
        return "-"
    middle, low, high = statistics.median(values), min(values), max(values)
    show = (lambda number: f"{number:,.0f}") if high >= 1000 or column != "cpu_us" else (lambda n: f"{n:.1f}")
    return f"{show(middle)} ({show(low)}..{show(high)})"


def ratio(results, name, baseline):
    """Median of the ratios of windows of the same round."""
    values = paired(results, name, baseline, "cpu_us", lambda mine, other: mine / other)
    if not values:
        return "-"
    return f"{statistics.median(values):.2f} ({min(values):.2f}..{max(values):.2f})"


def paired(results, name, other, column, combine):
    pairs = zip(results[name], results.get(other, []))
    return [combine(mine[column], base[column]) for mine, base in pairs
            if mine and base and mine.get(column) is not None and base.get(column) is not None]


def markdown(titles, rows):
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def command_line():
    return shlex.join(["load-tests/run.sh", *sys.argv[1:]])


def save(name, report, text):
    rig = report["rig"]
    facts = [f"- {key.replace('_', ' ')}: {value}" for key, value in rig.items()]
    facts += [f"- command: `{report['command']}`",
              f"- {report['rounds']} interleaved rounds, {report['window_seconds']} s a window; "
              "median (min..max); \"added\" is the difference to `direct` in the same round; the ratio is the "
              "median of the rounds' own ratios"]
    path = os.path.join(HERE, "..", "results", f"{name}.md")
    with open(path, "w", encoding="utf-8") as out:
        out.write(f"# {name}\n\n" + "\n".join(facts) + f"\n\n{text}\n")
    print(f"\nwritten to {os.path.relpath(path)}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
