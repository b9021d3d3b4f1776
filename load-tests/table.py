#!/usr/bin/env python3
"""Writes the table of measured numbers into the project's README, from the newest recorded run.

A recorded run is a file of `results/` whose load was measured in seven rounds or more over the usual competitors.
`--check` writes nothing and fails when the README says something else.
"""

import argparse
import glob
import os
import sys
import textwrap
import tomllib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "lib"))

import results  # noqa: E402

README = os.path.join(HERE, "..", "README.md")
BEGIN, END = "<!-- measured:begin -->", "<!-- measured:end -->"
ROUNDS = 7
MIB = results.MIB
SHOWN = {"gateway": "gateway", "nginx": "nginx", "bare": "bare Pingora"}
# Beside the gateway itself in another shape, everybody else is another gateway.
NOT_OTHERS = {*SHOWN, "direct", "gateway-pingora-door"}
UNITS = {
    "us": lambda value: f"{value:,.0f} µs" if value >= 100 else f"{value:.1f} µs",
    "a_second": lambda value: f"{value:,.0f}",
    "ms": lambda value: f"{value:,.0f} ms", "mib": lambda value: f"{value / MIB:,.1f} MiB",
    "calls": lambda value: f"{value:.2f}", "count": lambda value: f"{value:,.0f}",
    "times": lambda value: f"{value:.2f} ×",
}


def main():
    options = arguments()
    newest = options.results or newest_recorded()
    if not newest:
        print("no recorded run in results/: the README stays as it is", file=sys.stderr)
        return 0
    with open(README, encoding="utf-8") as file:
        before = file.read()
    after = replaced(before, region(results.read(newest)))
    if options.check:
        if before != after:
            print(f"README.md differs from {os.path.relpath(newest)}: run load-tests/table.py", file=sys.stderr)
        return int(before != after)
    with open(README, "w", encoding="utf-8") as file:
        file.write(after)
    return 0


def arguments():
    parser = argparse.ArgumentParser(prog="load-tests/table.py", description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--results", metavar="FILE", help="take this one")
    return parser.parse_args()


def newest_recorded():
    """The path, by the date in it; None when there is none."""
    found = [(kept["load"]["about"]["date"], path) for path in glob.glob(os.path.join(HERE, "results", "*.json"))
             if recorded(kept := results.read(path))]
    return max(found)[1] if found else None


def recorded(kept):
    if "load" not in kept or kept["load"]["about"]["rounds"] < ROUNDS:
        return False
    rows = kept["load"]["cases"].get("chat32", {}).get("rows", {})
    return set(SHOWN) <= set(rows)


def replaced(readme, text):
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"README.md has no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


def region(kept):
    """What stands between the marks."""
    about = kept["load"]["about"]
    with open(os.path.join(HERE, "targets.toml"), "rb") as file:
        targets = tomllib.load(file)["target"]
    rows = [row for target in targets if (row := line(target, kept))]
    titles = ["", *SHOWN.values(), "ratio", "must", ""]
    parts = [introduction(kept["name"], about), results.table(titles, rows)]
    if others := other_gateways(kept):
        parts.append(others)
    return "\n\n".join(parts)


def introduction(name, about):
    said = (f"Median of {about['rounds']} interleaved rounds in one run on {about['cores']} cores of a shared "
            f"{about['cpu']} machine ({about['date'][:10]}): one worker on one core, provider and load on the other, "
            "the gateway as shipped (key check, alias renamed in both directions, usage read, metrics, access log), "
            "nginx as a plain reverse proxy, a bare Pingora `ProxyHttp` that swaps one header. Every answer and every "
            "frame was checked. Ratios within the run are what counts; the absolute numbers are this machine's. [The whole "
            f"run](load-tests/results/{name}.md) has least and greatest; `load-tests/run.sh` repeats it.")
    return textwrap.fill(said, 120, break_long_words=False, break_on_hyphens=False)


def line(target, kept):
    """One row, or None where the run has no such number."""
    show = UNITS[target["unit"]]
    values = {who: number(target, kept, who) for who in SHOWN}
    if values["gateway"] is None:
        return None
    must = target.get("must", {})
    return [target["what"], *("–" if value is None else show(value) for value in values.values()),
            ratio(must, target, kept), bound(must, target), verdict(target, kept)]


def number(target, kept, who, over=None):
    """A competitor's figure, or its ratio to another's."""
    section = kept.get(target.get("section", "load"), {})
    if target.get("section") == "growth":
        return grown(section, target) if who == "gateway" else None
    if "case" in target:
        row = section.get("cases", {}).get(target["case"], {}).get("rows", {}).get(who, {})
        row = row.get("over", {}).get(over, {}) if over else row.get("figures", {})
    else:
        row = section.get("rows", {}).get(who, {})
    value = row.get(target["figure"])
    return value[0] if isinstance(value, list) else value


def grown(section, target):
    """How much more a request costs at the greatest size than at the smallest: by instructions where they were
    counted, which do not move with the machine, else by CPU time."""
    sizes = section.get("parts", {}).get(target["case"], {}).get("sizes", {})
    if len(sizes) < 2:
        return None
    most = sizes[max(sizes, key=int)]
    return most.get("instructions_over") or (most.get("over") or [None])[0]


def ratio(must, target, kept):
    if "over" not in must or (measured := number(target, kept, "gateway", must["over"])) is None:
        return ""
    return f"{measured:.2f} × {SHOWN.get(must['over'], 'small chat')}"


def bound(must, target):
    if not must:
        return ""
    sign, limit = ("≤", must["most"]) if "most" in must else ("≥", must["least"])
    if "over" in must:
        return f"{sign} {limit:.2f} × {SHOWN.get(must['over'], 'small chat')}"
    unit = {"mib": " MiB", "ms": " ms", "times": " ×"}.get(target["unit"], "")
    return f"{sign} {limit:,}{unit}"


def verdict(target, kept):
    if "must" not in target or (met := holds(target["must"], target, kept)) is None:
        return ""
    if not met:
        return "missed"
    return "stretch met" if "stretch" in target and holds(target["stretch"], target, kept) else "met"


def holds(wanted, target, kept):
    """Is the bound kept? None where the run does not tell."""
    value = number(target, kept, "gateway", wanted.get("over"))
    if value is None:
        return None
    if target["unit"] == "mib" and "over" not in wanted:
        value /= MIB
    return value <= wanted["most"] if "most" in wanted else value >= wanted["least"]


def other_gateways(kept):
    """Small chat requests of everybody else in the run, or nothing."""
    rows = kept["load"]["cases"]["chat32"]["rows"]
    lines = [[results.labelled(kept["load"]["about"].get("versions", {}).get(name) or name, row),
              UNITS["us"](row["figures"]["cpu_us"][0]), UNITS["a_second"](row["figures"]["per_second"][0])]
             for name, row in rows.items() if name not in NOT_OTHERS and row["figures"]]
    if not lines:
        return ""
    return "Other gateways in the same run, small chat:\n\n" + \
        results.table(["", "CPU a request", "requests/s on one core"], lines)


if __name__ == "__main__":
    sys.exit(main())
