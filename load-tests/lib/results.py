"""What is kept of runs: `results/NAME.json` with the medians, and `results/NAME.md`, written from it.

A file has sections (`load`, `start`, `instructions`, `memory`, `growth`), each with the rig and the command of the
run it came from. Saving one section leaves the others as they are.
"""

import json
import os
import shlex
import sys

import rig as machine

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(HERE, "..", "results")
MIB = machine.MIB

# Figure, column, of the tables of load; in the order of the columns.
COLUMNS = {
    "cpu_us": "CPU us/{unit}", "per_second": "{unit}s/s",
    "p50_us": "added p50 us", "p99_us": "added p99 us", "first_p50_us": "added first frame p50 us",
    "delay_p50_us": "added delay p50 us", "delay_p99_us": "added delay p99 us", "gap_p99_us": "added gap p99 us",
}


def about(script):
    """The machine, the code and the command, for the head of a section."""
    told = machine.describe()
    told["command"] = shlex.join([f"load-tests/{script}", *sys.argv[1:]])
    return told


def save(name, sections):
    """Puts sections into the results of this name."""
    path = os.path.join(FOLDER, f"{name}.json")
    kept = read(path) if os.path.exists(path) else {"name": name}
    kept.update(sections)
    with open(path, "w", encoding="utf-8") as out:
        json.dump(kept, out, indent=1)
        out.write("\n")
    with open(os.path.join(FOLDER, f"{name}.md"), "w", encoding="utf-8") as out:
        out.write(document(kept))
    print(f"written to {os.path.relpath(path)} and .md", file=sys.stderr)


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def document(kept):
    parts = [f"# {kept['name']}"]
    parts += [f"## {HEADINGS[name]}\n\n{text(name, kept[name])}" for name in WRITERS if name in kept]
    return "\n\n".join(parts) + "\n"


def text(name, section):
    """A section as Markdown: where it comes from, and its tables."""
    return facts(section["about"]) + "\n\n" + WRITERS[name](section)


def facts(told):
    lines = []
    for key, value in told.items():
        if key == "versions":
            lines += [f"- {name}: {said}" for name, said in value.items()]
        elif key == "stolen":
            lines.append(f"- processor time that other guests of the host took: {value:.1%}")
        else:
            lines.append(f"- {key.replace('_', ' ')}: " + (f"`{value}`" if key == "command" else str(value)))
    return "\n".join(lines)


def load_tables(section):
    parts = ["Median (least..greatest) of the rounds. Times of `direct` are its own, those of the others what they "
             "add to it in the same round; ratios are medians of the rounds' own ratios. A window in which one answer "
             "or frame was wrong does not count."]
    for name, case in section["cases"].items():
        parts.append(f"**{case['title']}** (`{name}`)\n\n" + case_table(name, case))
    return "\n\n".join(parts)


def case_table(name, case):
    rows = case["rows"]
    columns = [column for column in COLUMNS if any(figure(row, column) for row in rows.values())]
    bases = list(dict.fromkeys(base for row in rows.values() for base in row["over"]))
    titles = [name, *(COLUMNS[column].format(unit=case["unit"]) for column in columns),
              *(f"CPU / {base}" for base in bases), "windows"]
    lines = [[labelled(label, row), *(shown(figure(row, column)) for column in columns),
              *(shown(row["over"].get(base, {}).get("cpu_us"), "{:.2f}") for base in bases), str(row["windows"])]
             for label, row in rows.items()]
    return table(titles, lines)


def labelled(name, row):
    return f"{name}, {row['lowered']} at a time" if "lowered" in row else name


def figure(row, column):
    return row["figures"].get(f"added_{column}") or row["figures"].get(column)


def shown(values, pattern=None):
    """`median (least..greatest)`"""
    if not values:
        return "-"
    pattern = pattern or ("{:,.0f}" if max(map(abs, values)) >= 1000 else "{:.1f}")
    middle, low, high = map(pattern.format, values)
    return f"{middle} ({low}..{high})"


def start_table(section):
    rows = [[name, shown(row["cold_ms"]), str(row["starts"]), f"{row['size_bytes'] / MIB:.1f}"]
            for name, row in section["rows"].items()]
    return "From exec to the first whole answer; size without symbols, or of all that was installed.\n\n" + \
        table(["", "start to first answer ms", "starts", "program MiB"], rows)


def instruction_table(section):
    rows = [[name, f"{row['instructions']:,.0f}" if "instructions" in row else "-",
             f"{row['system_calls']:.2f}" if "system_calls" in row else "-", row.get("calls", "-")]
            for name, row in section["rows"].items()]
    titles = ["", "user instructions/request", "system calls/request", "which"]
    return (f"Case `{section['case']}`: instructions of {section['requests']:,} requests on one connection; system "
            "calls under load, on 32.\n\n" + table(titles, rows))


def memory_table(section):
    marks = section["marks"]
    rows = [[name, *(f"{row[key] / MIB:.1f}" for key in ("idle", "peak")),
             *(f"{row['after'][str(mark)] / MIB:.1f}" for mark in marks), f"{row['kept']:.2f}",
             f"{row['per_1000_streams'] / MIB:.1f}" if "per_1000_streams" in row else "-"]
            for name, row in section["rows"].items()]
    titles = ["", "idle", "peak", *(f"after {mark} s" for mark in marks), "after / idle", "per 1,000 open streams"]
    return f"Resident MiB. {section['burst']}. {section['streams']}.\n\n" + table(titles, rows)


def growth_tables(section):
    parts = [f"**{part['title']}**\n\n" + growth_table(part) for part in section["parts"].values()]
    return ("CPU time of a small chat request at 32 connections and its ratio to that of the smallest size in the same "
            "round, and of the first request of each row before; instructions of one on one connection. Memory at rest "
            "after loading, and after each row was used; of one more from the difference to the smallest size "
            "(streams: to no stream).\n\n" + "\n\n".join(parts))


def growth_table(part):
    columns = {key: title for key, title in GROWTH.items() if any(key in facts for facts in part["sizes"].values())}
    rows = [[f"{int(size):,}", *(growth_cell(key, facts.get(key)) for key in columns)]
            for size, facts in part["sizes"].items()]
    return table([part["title"].lower(), *columns.values()], rows)


def growth_cell(key, value):
    if value is None:
        return "-"
    if isinstance(value, list):
        return shown(value, "{:.2f}" if key.endswith("over") else None)
    if key in ("memory", "memory_used", "peak", "file_bytes"):
        return f"{value / MIB:,.1f}"
    return f"{value:,.2f}" if isinstance(value, float) and value < 1000 else f"{value:,.0f}"


def table(titles, rows):
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


GROWTH = {
    "first_cpu_us": "CPU us of a first request", "cpu_us": "CPU us/request", "over": "/ smallest",
    "instructions": "instructions/request", "instructions_over": "/ smallest",
    "frame_cpu_us": "CPU us/frame", "frame_over": "/ smallest",
    "file_bytes": "file MiB", "load_seconds": "start to first answer s", "peak": "peak MiB", "memory": "at rest MiB",
    "bytes_each": "bytes each", "memory_used": "all used MiB", "bytes_each_used": "bytes each, used",
}
HEADINGS = {"load": "Load", "start": "Start and size", "instructions": "Instructions and system calls",
            "memory": "Memory", "growth": "Growth"}
WRITERS = {"load": load_tables, "start": start_table, "instructions": instruction_table, "memory": memory_table,
           "growth": growth_tables}
