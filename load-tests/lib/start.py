"""Size of the programs, and the time from exec to the first whole answer."""

import statistics
import sys
import time

import competitors
import results
import rig as machine

# Between two looks whether a program answers yet, in seconds.
PAUSE = 0.0003
# A program that takes so long to start is started once.
SLOW_SECONDS = 5


def section(rows, starts):
    """What results keep: {"about", "rows"}, in milliseconds and bytes."""
    about = {key: value for key, value in results.about("run.sh").items() if key in ("date", "commit", "command")}
    found = {}
    for row in rows:
        if not row.command:
            continue
        try:
            found[row.name] = observe(row, starts)
        except competitors.Unavailable as reason:
            print(reason, file=sys.stderr)
    return {"about": about, "rows": found}


def observe(row, starts):
    taken = []
    while len(taken) < starts and not (taken and taken[-1] > SLOW_SECONDS):
        with machine.Rig() as rig:
            competitor = competitors.Competitor(row, rig, competitors.provider(rig))
            competitor.launch()
            competitor.await_answer(PAUSE)
            taken.append(time.monotonic() - competitor.began)
            size = competitor.size()
    milliseconds = [value * 1000 for value in taken]
    return {"cold_ms": [round(pick(milliseconds), 1) for pick in (statistics.median, min, max)],
            "starts": len(taken), "size_bytes": size}
