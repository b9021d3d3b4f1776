"""What growth costs: requests and memory with more aliases, more caller keys, more open streams.

For each of the three, gateways of different size stand side by side and take windows in turn; a request's cost is
put beside that of the smallest in the same round. Requests ask for aliases, or come with keys, from all over the
table, each of which has been used once before. Streams are open and silent while requests are measured; frames are
measured at one total rate.
"""

import argparse
import contextlib
import dataclasses
import subprocess
import sys

import cases
import competitors
import figures
import growth_icount
import load
import measure
import resources
import results
import rig as machine

# A size whose start would take longer, by what the one before took, is left out.
LOAD_SECONDS = 900
# All rows are used once within this time, in seconds.
WALK_SECONDS = 600
# Frames per second of all streams together.
FRAME_RATE = 10_000
FRAME_ROUNDS = 3
REQUESTS = cases.BY_NAME["chat32"]
# Files of all kinds besides the streams' own connections.
SPARE_FILES = 400


def main():
    options = arguments()
    gateway = competitors.manifests()["gateway"]
    about = results.about("growth.sh")
    about.update(rounds=options.rounds, window_seconds=options.window)
    measured = {"aliases": lambda: rows_grow("aliases", gateway, options.aliases, options),
                "keys": lambda: rows_grow("keys", gateway, options.keys, options),
                "streams": lambda: streams_grow(gateway, options.streams, options)}
    print(f"about {expected_minutes(options):.0f} minutes, and the time that loading takes", file=sys.stderr)
    section = {"about": about, "parts": {name: measured[name]() for name in options.only}}
    print(results.text("growth", section))
    if options.save:
        results.save(options.save, {"growth": section})
    return 0


def arguments():
    def sizes(text):
        return sorted(int(size) for size in text.split(",") if size)

    parser = argparse.ArgumentParser(prog="load-tests/growth.sh", description=__doc__)
    parser.add_argument("--aliases", type=sizes, default=sizes("10,1000,100000"), metavar="SIZES")
    parser.add_argument("--keys", type=sizes, default=sizes("10,1000,1000000"), metavar="SIZES")
    parser.add_argument("--streams", type=sizes, default=sizes("10,1000,10000"), metavar="SIZES")
    parser.add_argument("--only", type=lambda text: text.split(","), default=["aliases", "keys", "streams"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--window", type=float, default=1.5, help="seconds")
    parser.add_argument("--requests", type=int, default=2000, help="under callgrind; 0 = none")
    parser.add_argument("--save", metavar="NAME", help="write it into results/NAME")
    options = parser.parse_args()
    if max([*options.aliases, *options.keys]) > 9_999_999:
        parser.error("names have seven digits")
    return options


def expected_minutes(options):
    windows = sum(len(getattr(options, name)) for name in options.only) * options.rounds * (options.window + 0.2)
    counted = 20 * sum(len(getattr(options, name)) for name in options.only if name != "streams")
    paced = 0
    if "streams" in options.only:
        paced = sum(FRAME_ROUNDS * (5 + size * load.STAGGER * 3) for size in options.streams)
    return (windows + paced + (counted if options.requests else 0)) / 60


def rows_grow(kind, gateway, sizes, options):
    """Aliases or caller keys."""
    with machine.Rig() as rig:
        upstream = competitors.provider(rig)
        started = start_sizes(kind, gateway, sizes, rig, upstream)
        for size, (one, facts) in started.items():
            facts.update(first_use(one, size))
        costs = rounds({size: one for size, (one, _) in started.items()}, options,
                       lambda size: ("--numbers", str(size)))
    told = {size: {**facts, **costs[size]} for size, (_, facts) in started.items()}
    per_row(told)
    if options.requests and growth_icount.available():
        growth_icount.count(kind, gateway, told, options.requests)
    return {"title": {"aliases": "Aliases", "keys": "Caller keys"}[kind],
            "sizes": {str(size): facts for size, facts in told.items()}}


def start_sizes(kind, gateway, sizes, rig, upstream):
    """{size: (competitor, what loading took)} of the sizes that this machine holds."""
    started, last = {}, None
    for size in sizes:
        if reason := too_much(size, last):
            print(f"{size:,} {kind} are left out: {reason}", file=sys.stderr)
            continue
        one = resources.gateway(kind, size, gateway, rig, upstream)
        try:
            seconds = one.timed_start()
        except competitors.Unavailable as problem:
            print(f"{size:,} {kind} are left out: {problem}", file=sys.stderr)
            continue
        last = {"size": size, "seconds": seconds, "peak": one.process.peak()}
        started[size] = (one, {"load_seconds": round(seconds, 3), "peak": last["peak"],
                               "file_bytes": one.file_bytes, "memory": resources.settled(one.process)})
    return started


def first_use(one, size):
    """Uses each row once: what the first request of a row costs, and what is held afterwards."""
    numbers = load.whole(one, REQUESTS, WALK_SECONDS, ("--numbers", str(size), "--each"))
    if numbers["count"] != size:
        raise SystemExit(f"only {numbers['count']:,} of {size:,} rows were used in {WALK_SECONDS} s")
    # Ten requests tell nothing about a request's cost.
    cost = {"first_cpu_us": figures.rounded(numbers["cpu_us"])} if size >= 1000 else {}
    return {**cost, "memory_used": resources.settled(one.process)}


def too_much(size, last):
    """Why the machine cannot hold this size, judged by the one before, or None."""
    if not last:
        return None
    times = size / last["size"]
    need, free = last["peak"] * times, available_bytes()
    # A small gateway is mostly itself, so that only sizes from some thousand on tell anything.
    if last["size"] >= 1000 and need > free * 0.8 and last["peak"] > 64 * machine.MIB:
        return f"about {need / machine.MIB:,.0f} MiB are needed, {free / machine.MIB:,.0f} are free"
    if last["size"] >= 1000 and last["seconds"] > 1 and last["seconds"] * times > LOAD_SECONDS:
        return f"loading would take about {last['seconds'] * times:,.0f} s"
    return None


def available_bytes():
    with open("/proc/meminfo", encoding="ascii") as meminfo:
        return next(int(line.split()[1]) for line in meminfo if line.startswith("MemAvailable")) * 1024


def rounds(running, options, more):
    """{size: {"cpu_us", "over"}}: cost of a request, and its ratio to the smallest size's in the same round."""
    windows = {size: [] for size in running}
    for number in range(options.rounds):
        for size, one in running.items():
            measure.progress(f"round {number + 1}/{options.rounds} {size:,}")
            windows[size].append(attempt(f"{size:,}", load.whole, one, REQUESTS, options.window, more(size)))
    measure.progress("")
    return compared(windows)


def attempt(label, window, *arguments_):
    """A window that counts, or None."""
    for _ in range(measure.TRIES):
        try:
            return window(*arguments_)
        except (load.Failed, OSError) as error:
            print(f"\n{label}: {error}", file=sys.stderr)
    return None


def compared(windows):
    smallest = windows[min(windows)]
    return {size: {"cpu_us": figures.spread(ones).get("cpu_us"),
                   "over": figures.ratios(ones, smallest).get("cpu_us")} for size, ones in windows.items()}


def per_row(told):
    """Memory of one row, from the difference to the smallest size."""
    smallest = min(told)
    for size, facts in told.items():
        if size > smallest:
            for held, each in (("memory", "bytes_each"), ("memory_used", "bytes_each_used")):
                facts[each] = round((facts[held] - told[smallest][held]) / (size - smallest))


def streams_grow(gateway, sizes, options):
    limit = machine.raise_open_files(max(sizes) * 4 + SPARE_FILES)
    held = [size for size in sizes if size * 2 + SPARE_FILES <= limit]
    for size in sorted(set(sizes) - set(held)):
        print(f"{size:,} streams are left out: only {limit:,} files may be open", file=sys.stderr)
    told = {}
    with machine.Rig() as rig, contextlib.ExitStack() as open_:
        upstream = competitors.provider(rig)
        running = {}
        for size in held:
            one = competitors.Competitor(dataclasses.replace(gateway, name=f"gateway-{size}"), rig, upstream).start()
            idle = resources.settled(one.process)
            open_.enter_context(silent_streams(one, size))
            told[size] = {"memory": resources.settled(one.process)}
            told[size]["bytes_each"] = round((told[size]["memory"] - idle) / size)
            running[size] = one
        for size, cost in rounds(running, options, lambda _: ()).items():
            told[size].update(cost)
    for size, cost in frames(gateway, held, options).items():
        told[size].update(frame_cpu_us=cost["cpu_us"], frame_over=cost["over"])
    return {"title": "Open streams", "sizes": {str(size): facts for size, facts in told.items()}}


@contextlib.contextmanager
def silent_streams(one, size):
    """Streams that have said two words and stay open."""
    case = cases.Stream("silent", "silent", size, 0)
    command = load.sse_command(one, case, 100_000) + ["--tokens", "4", "--stall"]
    with machine.pinned(machine.LOAD_CORE):
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        line = child.stdout.readline()
        if "mark" not in line:
            raise SystemExit(f"{size:,} streams could not be opened: {line.strip()[:300]}")
        yield
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def frames(gateway, sizes, options):
    """{size: {"cpu_us", "over"}} of a frame, at the same number of frames a second."""
    windows = {size: [] for size in sizes}
    with machine.Rig() as rig:
        one = competitors.Competitor(gateway, rig, competitors.provider(rig)).start()
        for _ in range(min(FRAME_ROUNDS, options.rounds)):
            for size in sizes:
                case = cases.Stream("frames", "frames", size, max(1, FRAME_RATE // size))
                windows[size].append(attempt(f"{size:,} streams", load.streams, one, case, options.window))
    return compared(windows)


if __name__ == "__main__":
    sys.exit(main())
