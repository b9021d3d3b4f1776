"""Interleaved rounds over all competitors and cases, and the tables of what they cost."""

import argparse
import fnmatch
import json
import os
import sys

import cases
import competitors
import figures
import load
import results
import rig as machine
import start

# A window that fails is tried again so often before its round goes without it.
TRIES = 3


def main():
    options = arguments()
    chosen = [case for case in cases.CASES if matches(case.name, options.cases)]
    rows = chosen_competitors(options)
    print(f"{len(rows)} competitors, {len(chosen)} cases, {options.rounds} rounds: about "
          f"{expected_seconds(rows, chosen, options) / 60:.0f} minutes", file=sys.stderr)
    machine.raise_open_files(16384)
    about = results.about("run.sh")
    stolen = machine.Stolen()
    with machine.Rig() as rig:
        upstream = competitors.provider(rig)
        running = competitors.start_all(rig, upstream, rows)
        about["versions"] = {name: said for name, one in running.items() if (said := one.version())}
        windows = measure(running, chosen, options)
    about.update(rounds=options.rounds, window_seconds=options.window, stolen=round(stolen.share(), 4))
    sections = {"load": {"about": about, "cases": figures.summary(windows)}}
    if options.starts:
        sections["start"] = start.section([row for row in rows if row.name in running], options.starts)
    for name, section in sections.items():
        print(results.text(name, section) + "\n")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump({"about": about, "windows": windows}, out, indent=1)
    if options.save:
        results.save(options.save, sections)
    return 0 if all(any(row) for case in windows.values() for row in case.values()) else 1


def arguments():
    parser = argparse.ArgumentParser(prog="load-tests/run.sh", description=__doc__)
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("ROUNDS", 7)))
    parser.add_argument("--window", type=float, default=float(os.environ.get("WINDOW", 1.5)), help="seconds")
    parser.add_argument("--cases", type=lambda text: text.split(","), default=["*"],
                        help="names, with * for any; of " + ", ".join(cases.BY_NAME))
    add_competitors(parser)
    parser.add_argument("--starts", type=int, default=5, help="cold starts of each; 0 = none")
    parser.add_argument("--json", metavar="FILE", help="write the raw numbers of every window")
    parser.add_argument("--save", metavar="NAME", help="write results/NAME.md and .json")
    options = parser.parse_args()
    if not any(matches(case.name, options.cases) for case in cases.CASES):
        parser.error(f"no case is named {','.join(options.cases)}")
    return options


def add_competitors(parser, default=None):
    parser.add_argument("--competitors", metavar="NAMES", default=default,
                        help="of those in competitors/; +NAME adds to the usual ones")
    parser.add_argument("--manifest", metavar="FILE", action="append", default=[],
                        help="a further manifest; measured too")


def chosen_competitors(options):
    """The manifests that were asked for, in the order of a round."""
    known = competitors.manifests(options.manifest)
    usual = [name for name, row in known.items() if row.default or row.name in named_in(options.manifest)]
    asked = options.competitors.split(",") if options.competitors else usual
    if any(name.startswith("+") for name in asked):
        asked = usual + [name.lstrip("+") for name in asked]
    if unknown := [name for name in asked if name not in known]:
        raise SystemExit(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")
    return [row for name, row in known.items() if name in asked]


def named_in(files):
    found = competitors.manifests(files)
    usual = competitors.manifests()
    return [name for name in found if name not in usual]


def matches(name, patterns):
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def expected_seconds(rows, chosen, options):
    """Roughly: windows, opening and ending streams, the looks in between."""
    per_round = 0.0
    for case in chosen:
        extra = 0.1
        if isinstance(case, cases.Stream):
            extra = 0.4 + case.streams * load.STAGGER * 2.4
        per_round += (options.window + extra) * sum(1 for row in rows if row.takes(case))
    return per_round * options.rounds + 5 * len(rows)


def measure(running, chosen, options):
    """{case: {competitor: [numbers of a window, or None]}}, one window per round."""
    windows = {case.name: {name: [] for name, one in running.items() if one.manifest.takes(case)} for case in chosen}
    for round_number in range(1, options.rounds + 1):
        for case in chosen:
            for name in windows[case.name]:
                progress(f"round {round_number}/{options.rounds} {case.name} {name}")
                windows[case.name][name].append(one_window(running, name, case, options.window))
    progress("")
    return windows


def progress(text):
    if sys.stderr.isatty():
        print(f"\r{text:<60}\r", end="", file=sys.stderr, flush=True)


def one_window(running, name, case, seconds):
    """The numbers of a window that counts, or None. A competitor that gets less load than others is put beside
    `direct` with the same."""
    own = case.lowered(running[name].manifest)
    for _ in range(TRIES):
        try:
            numbers = load.window(running[name], own, seconds)
            if own != case:
                numbers["lowered"] = getattr(own, "connections", None) or own.streams
                if figures.DIRECT in running:
                    numbers[figures.DIRECT] = load.window(running[figures.DIRECT], own, seconds)
            return numbers
        except (load.Failed, OSError) as error:
            print(f"\n{case.name} {name}: {error}", file=sys.stderr)
    return None


if __name__ == "__main__":
    sys.exit(main())
