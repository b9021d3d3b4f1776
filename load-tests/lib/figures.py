"""From the windows of a run to its figures: medians, what is added to no gateway, and ratios within a round.

A summary is what results keep: for each case and competitor the figures as [median, least, greatest] over the
rounds, and under `over` the same of the ratios to others in the same round.
"""

import statistics

import cases

DIRECT = "direct"
# Whose figures the others' are divided by.
BASELINES = ("nginx", "bare")
# Figures that are taken as they are, and those of which the same figure of `direct` is subtracted.
PLAIN = ("cpu_us", "per_second")
ADDED = ("p50_us", "p99_us", "first_p50_us", "delay_p50_us", "delay_p99_us", "gap_p99_us")


def summary(results):
    """{case: {"title", "unit", "rows"}} of {case: {competitor: [numbers of a window, or None]}}"""
    derived = {name: {row: [figures_of(name, row, results, at) for at in range(len(windows))]
                      for row, windows in rows.items()} for name, rows in results.items()}
    return {name: {"title": cases.BY_NAME[name].title, "unit": cases.BY_NAME[name].unit,
                   "rows": {row: summed(name, row, derived, results) for row in rows}}
            for name, rows in derived.items()}


def figures_of(case, row, results, at):
    """The figures of one window, or None. Those of `direct` are its own, not what it adds."""
    window = results[case][row][at]
    if not window:
        return None
    figures = {figure: window[figure] for figure in PLAIN if figure in window}
    base = window.get(DIRECT) or at_round(results[case].get(DIRECT), at)
    for figure in ADDED:
        if figure not in window:
            continue
        if row == DIRECT:
            figures[figure] = window[figure]
        elif base and figure in base:
            figures[f"added_{figure}"] = window[figure] - base[figure]
    return figures


def at_round(windows, at):
    return windows[at] if windows and at < len(windows) else None


def summed(case, row, derived, results):
    rounds = derived[case][row]
    over = {base: ratios(rounds, derived[case][base]) for base in BASELINES if base in derived[case] and base != row}
    beside = cases.BY_NAME[case].beside
    if beside in derived and row in derived[beside]:
        over[beside] = ratios(rounds, derived[beside][row])
    told = {"windows": sum(1 for figures in rounds if figures), "figures": spread(rounds),
            "over": {base: found for base, found in over.items() if found}}
    lowered = next((window["lowered"] for window in results[case][row] if window and "lowered" in window), None)
    return {**told, "lowered": lowered} if lowered else told


def spread(rounds):
    """{figure: [median, least, greatest]}"""
    names = dict.fromkeys(name for figures in rounds if figures for name in figures)
    return {name: middle([figures[name] for figures in rounds if figures and name in figures]) for name in names}


def ratios(mine, others):
    """The same of the rounds' own ratios. An added time that is not positive has none."""
    paired = []
    for figures, base in zip(mine, others):
        if figures and base:
            paired.append({name: value / base[name] for name, value in figures.items() if base.get(name, 0) > 0})
    return spread(paired)


def middle(values):
    return [rounded(statistics.median(values)), rounded(min(values)), rounded(max(values))]


def rounded(value):
    return round(value, 4) if abs(value) < 100 else round(value, 1)
