"""The machine under test: processes that are started, pinned, watched and ended again, always by their id."""

import http.client
import json
import os
import re
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
READY_SECONDS = 30
STOP_SECONDS = 10

# Where proxies run, and where the provider and the load run. One core each: the proxy is never the guest of
# its own load.
PROXY_CORE = "0"
LOAD_CORE = str(min(1, (os.cpu_count() or 1) - 1))


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
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, name, command, core, env=None, stdout=None, stderr=None):
        instrument = self.instruments.get(name, [])
        process = Process(name, ["taskset", "-c", core, *instrument, *command], env or {}, stdout, stderr)
        self.processes.append(process)
        return process

    def file(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as out:
            out.write(content if isinstance(content, bytes) else content.encode())
        return path


class Process:
    """One process, pinned to a core."""

    def __init__(self, name, command, env, stdout=None, stderr=None):
        self.name = name
        self.child = subprocess.Popen(
            command,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=stdout or subprocess.DEVNULL,
            stderr=stderr or subprocess.DEVNULL,
        )

    @property
    def pid(self):
        return self.child.pid

    def line(self, pattern):
        """The first line of stdout that matches, as the match."""
        deadline = time.monotonic() + READY_SECONDS
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
        """User and system time of all threads that ever ran."""
        try:
            return self._scheduled_seconds()
        except OSError:
            with open(f"/proc/{self.pid}/stat", encoding="ascii") as stat:
                fields = stat.read().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / CPU_TICKS

    def _scheduled_seconds(self):
        """The same from the scheduler, in nanoseconds instead of ticks, of the threads that run now."""
        total = 0
        for thread in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{thread}/schedstat", encoding="ascii") as stat:
                total += int(stat.read().split()[0])
        return total / 1e9

    def rss_bytes(self):
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * PAGE_BYTES

    def end(self):
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        if self.child.stdout:
            self.child.stdout.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def await_port(port, process):
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if process.child.poll() is not None:
            break
        with socket.socket() as probe:
            probe.settimeout(0.2)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"{process.name} does not listen on port {port}")


def post(port, path, body, key):
    """One request; status and decoded answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", path, body, {
            "Authorization": f"Bearer {key}", "Content-Type": "application/json",
            "anthropic-version": "2023-06-01",
        })
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def command_output(*command):
    """What a command prints, or nothing if it cannot be run."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def describe():
    """The machine and the code, for the record of a run."""
    model = re.search(r"model name\s*:\s*(.*)", open("/proc/cpuinfo", encoding="utf-8").read())
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
        "load_average": round(os.getloadavg()[0], 2),
    }
