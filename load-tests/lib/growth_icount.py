"""Instructions of a request as rows grow. Counting begins when everything is loaded, and each row that is asked for
has been used, so that neither is in it."""

import glob
import os
import random
import shutil
import sys
import time

import cases
import competitors
import icount
import resources
import rig as machine

# How many times longer loading takes under callgrind, counting nothing.
SLOWNESS = 15
# Loading that would take longer, in seconds, is left out.
LONGEST = 600
# Rows that are asked for, spread over the table.
ROWS = 500


def available():
    if shutil.which("callgrind_control"):
        return True
    print("no instructions: apt-get install valgrind", file=sys.stderr)
    return False


def count(kind, manifest, told, requests):
    """Adds `instructions` and their ratio to those of the smallest size to what is told of each size."""
    for size, facts in told.items():
        expected = facts["load_seconds"] * SLOWNESS
        if expected > LONGEST:
            print(f"no instructions for {size:,} {kind}: loading would take {expected:,.0f} s", file=sys.stderr)
            continue
        facts["instructions"] = instructions(kind, size, manifest, requests)
        facts["instructions_over"] = round(facts["instructions"] / told[min(told)]["instructions"], 4)


def instructions(kind, size, manifest, requests):
    """Per request, on one connection."""
    case = cases.BY_NAME["chat1"]
    settings = [f"{key}={value}" for key, value in machine.NO_STRING_COPIES.items()]
    with machine.slowed(SLOWNESS), machine.Rig() as rig:
        out = os.path.join(rig.folder, "callgrind.out")
        one = resources.gateway(kind, size, manifest, rig, competitors.provider(rig))
        rig.instruments[one.name] = ["env", *settings, "valgrind", "--tool=callgrind", "--instr-atstart=no",
                                     f"--callgrind-out-file={out}"]
        one.timed_start()
        rows = range(0, size, max(1, size // ROWS))
        icount.send(one, case, rows)
        control("on", one.process.pid)
        icount.send(one, case, rows)
        control("zero", one.process.pid)
        icount.send(one, case, random.Random(1).choices(rows, k=requests))
        control("dump", one.process.pid)
        total = sum(map(icount.counted, dumps(out)))
        # Ended at once: under valgrind a gateway of this size takes its time to fall apart.
        one.process.child.kill()
    return total / requests


def control(what, pid):
    flags = {"on": ["--instr=on"], "zero": ["--zero"], "dump": ["--dump"]}[what]
    done = machine.run(["callgrind_control", *flags, str(pid)], 300)
    if done.returncode or "Error" in done.stdout + done.stderr:
        raise competitors.Unavailable(f"callgrind_control: {(done.stdout + done.stderr).strip()[:200]}")


def dumps(out):
    """The files of a dump, once they are written."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = glob.glob(f"{out}.*")
        if found and all(icount.counted(path) for path in found):
            return found
        time.sleep(0.2)
    raise competitors.Unavailable("callgrind dumped nothing")
