"""The machine under test: processes that are started, pinned, watched and ended again, always by their id."""

import contextlib
import http.client
import json
import os
import random
import re
import resource
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

# callgrind counts a `rep movsb` once for each byte; without this a copy of 4 KiB looks like 4,096 instructions.
NO_STRING_COPIES = {"GLIBC_TUNABLES": "glibc.cpu.x86_rep_movsb_threshold=1073741824:"
                                      "glibc.cpu.x86_rep_stosb_threshold=1073741824"}

CPU_TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
MIB = 1024 * 1024
READY_SECONDS = 30
STOP_SECONDS = 10
# How many times longer than usual programs take to start and to end: under an instrument more than once.
SLOWNESS = 1

# Below those that outgoing connections take.
PORTS = (12_000, 32_000)
TAKEN = set()

# Where proxies run, and where the provider, the load and this script run. One core each: the proxy is never the
# guest of its own load.
PROXY_CORE = 0
LOAD_CORE = min(1, (os.cpu_count() or 1) - 1)


class Rig:
    """Everything that was started. Leaving the `with` block ends it."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="aisix-load-")
        self.processes = []
        # Put in front of the command of a process, by its name: an instrument.
        self.instruments = {}

    def __enter__(self):
        # So that a kill of this script ends what it started, too.
        signal.signal(signal.SIGTERM, lambda *_: exit(143))
        os.sched_setaffinity(0, {LOAD_CORE})
        return self

    def __exit__(self, *_):
        # Nor does a second kill, as `timeout` sends, leave anything behind.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for process in reversed(self.processes):
            process.end()
        shutil.rmtree(self.folder, ignore_errors=True)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def start(self, name, command, core, env=None, stdout=None):
        with pinned(core):
            process = Process(name, [*self.instruments.get(name, []), *command], env or {}, stdout)
        self.processes.append(process)
        return process

    def file(self, name, content):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(content if isinstance(content, bytes) else content.encode())
        return path


@contextlib.contextmanager
def pinned(core):
    """What is started inside runs on this core, for good."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def slowed(times):
    """What is started inside gets so many times the usual time to start and to end."""
    global SLOWNESS
    SLOWNESS = times
    try:
        yield
    finally:
        SLOWNESS = 1


class Process:
    """One process and those that it started."""

    def __init__(self, name, command, env, stdout=None):
        self.name = name
        self.child = subprocess.Popen(
            command,
            env={**environment(), **env},
            stdin=subprocess.DEVNULL,
            stdout=stdout or subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    @property
    def pid(self):
        return self.child.pid

    def lives(self):
        return self.child.poll() is None

    def pids(self):
        """Its own id and those of all below it."""
        found = [self.pid]
        for pid in found:
            for task in tasks(pid):
                with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as ids:
                    found += [int(child) for child in ids.read().split()]
        return found

    def line(self, pattern):
        """The first line of stdout that matches, as the match."""
        deadline = time.monotonic() + READY_SECONDS * SLOWNESS
        buffer = b""
        while time.monotonic() < deadline:
            if select.select([self.child.stdout], [], [], 0.1)[0]:
                piece = os.read(self.child.stdout.fileno(), 4096)
                buffer += piece
                match = re.search(pattern, buffer.decode(errors="replace"))
                if match:
                    return match
                if not piece:
                    break
        raise RuntimeError(f"{self.name} did not become ready: {buffer!r}")

    def cpu_seconds(self):
        """User and system time of the threads there are, from the scheduler."""
        return sum(cpu_seconds(pid) for pid in self.pids())

    def memory(self):
        """Resident bytes. Of several processes each shared page counts once."""
        pids = self.pids()
        if len(pids) == 1:
            return resident(pids[0])
        return sum(proportional(pid) for pid in pids)

    def peak(self):
        """The most its first process ever held resident, in bytes."""
        with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as status:
            return int(re.search(r"VmHWM:\s*(\d+)", status.read()).group(1)) * 1024

    def end(self):
        if self.lives():
            self.child.terminate()
            try:
                self.child.wait(STOP_SECONDS * SLOWNESS)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        if self.child.stdout:
            self.child.stdout.close()


def environment():
    """This script's, without what would configure a gateway."""
    return {name: value for name, value in os.environ.items() if not name.startswith("AISIX_")}


def tasks(pid):
    try:
        return os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []


def cpu_seconds(pid):
    """In nanoseconds where the kernel says so, else in ticks."""
    try:
        total = 0
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as stat:
                total += int(stat.read().split()[0])
        return total / 1e9
    except OSError:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / CPU_TICKS
        return 0


def resident(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * PAGE_BYTES


def proportional(pid):
    """Resident bytes, each page divided by the number of processes that share it."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii", errors="replace") as rollup:
            return int(re.search(r"^Pss:\s*(\d+)", rollup.read(), re.MULTILINE).group(1)) * 1024
    except (OSError, AttributeError):
        return resident(pid)


def raise_open_files(wanted):
    """Lets this script and what it starts hold so many files open; how many it got."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def free_port():
    """A port that nothing listens on, of those that the kernel gives to nobody by itself; each only once."""
    while True:
        port = random.randrange(*PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in TAKEN:
                TAKEN.add(port)
                return port


def post(port, path, body, headers, timeout=20):
    """One request; status and decoded answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text.decode(errors="replace")
    finally:
        connection.close()


def run(command, seconds, env=None):
    """Runs a program on the load's core to its end; what it printed."""
    with pinned(LOAD_CORE):
        return subprocess.run(command, env={**os.environ, **(env or {})}, capture_output=True, text=True,
                              timeout=seconds, check=False)


def command_output(*command):
    """What a command prints, or nothing if it cannot be run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        return (done.stdout or done.stderr).strip()
    except (OSError, subprocess.SubprocessError):
        return ""


class Stolen:
    """Share of the processors' time that other guests of the host took, since this was made."""

    def __init__(self):
        self.before = self.now()

    @staticmethod
    def now():
        with open("/proc/stat", encoding="ascii") as stat:
            ticks = [int(value) for value in stat.readline().split()[1:9]]
        return sum(ticks), ticks[7]

    def share(self):
        total, stolen = (now - before for now, before in zip(self.now(), self.before))
        return stolen / total if total else 0.0


def describe():
    """The machine and the code, for the record of a run."""
    with open("/proc/cpuinfo", encoding="utf-8") as cpuinfo:
        model = re.search(r"model name\s*:\s*(.*)", cpuinfo.read())
    here = os.path.dirname(os.path.abspath(__file__))
    commit = command_output("git", "-C", here, "rev-parse", "--short=12", "HEAD")
    dirty = command_output("git", "-C", here, "status", "--porcelain")
    return {
        "cpu": model.group(1) if model else "unknown",
        "cores": os.cpu_count(),
        "kernel": os.uname().release,
        "rustc": command_output("rustc", "--version"),
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "commit": (commit or "not committed") + (" with changes" if commit and dirty else ""),
        "load_average_before": round(os.getloadavg()[0], 2),
    }
