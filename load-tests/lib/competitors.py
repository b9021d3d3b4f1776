"""Who is measured: one manifest in `competitors/` each, and how what it describes is started.

A manifest says in TOML what the README's table explains. `@word@` in its commands, files and headers stands for
something this run decides: a port, a folder, the names of models.
"""

import dataclasses
import fnmatch
import glob
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib

import rig as machine

HERE = os.path.dirname(os.path.abspath(__file__))
MANIFESTS = os.path.join(HERE, "..", "competitors")

KEY, UPSTREAM_KEY = "sk-load", "sk-upstream"
# What callers ask for, and what a gateway must make of it on the way: names of different lengths, so that the
# rewrite is real work.
ALIASES = {"chat": "load-chat", "claude": "load-claude"}
MODELS = {"chat": "gpt-4o-mini-2024-07-18", "claude": "claude-sonnet-4-5-20250929"}
PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}


class Unavailable(Exception):
    """A competitor that cannot run here."""


@dataclasses.dataclass
class Call:
    """How a competitor wants to be asked for one alias."""

    path: str
    model: str
    # The model's name in its answers.
    answers: str
    headers: list


@dataclasses.dataclass
class Manifest:
    """One file of `competitors/`."""

    name: str
    title: str = ""
    # Position in a round and in tables.
    place: int = 100
    # Measured unless others are asked for.
    default: bool = False
    command: list = dataclasses.field(default_factory=list)
    environment: dict = dataclasses.field(default_factory=dict)
    files: dict = dataclasses.field(default_factory=dict)
    # Free ports beyond `@port@`, by name.
    ports: list = dataclasses.field(default_factory=list)
    # Paths that must exist.
    needs: list = dataclasses.field(default_factory=list)
    install: str = ""
    version: list = dataclasses.field(default_factory=list)
    # What makes up the program's size, when it is more than the command's first word.
    size: list = dataclasses.field(default_factory=list)
    ready_seconds: float = 30
    # Features that some cases need.
    can: list = dataclasses.field(default_factory=list)
    # Names of cases, with `*`, that are not for it.
    leave_out: list = dataclasses.field(default_factory=list)
    # It gets no more load than this.
    most_connections: int = 1 << 30
    most_streams: int = 1 << 30
    # By alias: path, model, answers, headers.
    calls: dict = dataclasses.field(default_factory=dict)
    # The name of a manifest whose members hold where this one has none; `environment` is joined.
    like: str = ""

    def takes(self, case):
        """Is this case for it?"""
        left_out = any(fnmatch.fnmatch(case.name, pattern) for pattern in self.leave_out)
        return not left_out and (case.needs is None or case.needs in self.can)


def manifests(more=()):
    """{name: Manifest} of the folder and of further files, in the order of a round."""
    paths = sorted(glob.glob(os.path.join(MANIFESTS, "*.toml"))) + list(more)
    raw = {}
    for path in paths:
        with open(path, "rb") as file:
            read = tomllib.load(file)
        raw[read["name"]] = read
    found = [manifest(members, raw) for members in raw.values()]
    return {row.name: row for row in sorted(found, key=lambda row: (row.place, row.name))}


def manifest(members, others):
    if base := members.get("like"):
        inherited = others[base]
        environment = {**inherited.get("environment", {}), **members.get("environment", {})}
        members = {**inherited, "default": False, **members, "environment": environment}
    known = {field.name for field in dataclasses.fields(Manifest)}
    if unknown := set(members) - known:
        raise SystemExit(f"competitor {members['name']}: unknown keys {', '.join(sorted(unknown))}")
    return Manifest(**members)


class Competitor:
    """A manifest that runs, or is `direct`, which needs no process."""

    def __init__(self, manifest_, rig, upstream):
        self.manifest, self.name, self.rig = manifest_, manifest_.name, rig
        self.process = None
        self.key = KEY
        # When the program was started.
        self.began = 0.0
        self.port = upstream
        self.words = words(rig, upstream, self.name)
        if manifest_.command:
            self.port = self.words["port"] = machine.free_port()
        self.words.update({name: machine.free_port() for name in manifest_.ports})

    def launch(self):
        """Starts the program; it need not answer yet."""
        manifest_ = self.manifest
        if not manifest_.command:
            return
        missing = [path for path in map(self.filled, manifest_.needs) if not os.path.exists(path)]
        command = [self.filled(word) for word in manifest_.command]
        if missing or not shutil.which(command[0]):
            how = self.filled(manifest_.install)
            raise Unavailable(f"{self.name} is left out: no {(missing or command)[0]} ({how})")
        for name, text in manifest_.files.items():
            self.rig.file(f"{self.name}/{name}", self.filled(text))
        environment = {name: self.filled(value) for name, value in manifest_.environment.items()}
        self.began = time.monotonic()
        self.process = self.rig.start(self.name, command, machine.PROXY_CORE, environment)

    def start(self):
        """Starts the program and waits for its first right answer."""
        self.launch()
        self.await_answer(0.05)
        return self

    def await_answer(self, pause):
        """Until it answers as it should, or has had its time."""
        allowed = self.manifest.ready_seconds * machine.SLOWNESS
        deadline = time.monotonic() + allowed
        problem = "no answer"
        while time.monotonic() < deadline:
            if self.process and not self.process.lives():
                raise Unavailable(f"{self.name} has ended with status {self.process.child.returncode}")
            try:
                problem = self.problem("chat", body=HELLO % self.call("chat").model)
                if not problem:
                    return
            except OSError as error:
                problem = str(error)
            time.sleep(pause)
        raise Unavailable(f"{self.name} did not become ready in {allowed:.0f} s: {problem}")

    def problem(self, alias, body, dialect="openai"):
        """What is wrong with its answer to this request, or None."""
        call = self.call(alias, dialect)
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json",
                   "anthropic-version": "2023-06-01", **dict(line.split(": ", 1) for line in call.headers)}
        status, answer = machine.post(self.port, call.path, body, headers)
        if status != 200 or not isinstance(answer, dict) or answer.get("model") != call.answers \
                or not answer.get("usage"):
            return f"status {status}: {str(answer)[:200]}"
        return None

    def call(self, alias, dialect="openai"):
        """How it is asked for an alias in a dialect."""
        own = self.manifest.calls.get(alias, {})
        model = self.filled(own.get("model", ALIASES[alias]))
        return Call(self.filled(own.get("path", PATHS[dialect])), model, self.filled(own.get("answers", model)),
                    [f"{name}: {self.filled(value)}" for name, value in own.get("headers", {}).items()])

    def filled(self, text):
        return fill(text, self.words, self.name)

    def size(self):
        """Bytes of the program, without symbols, or of all that was installed for it; None for `direct`."""
        if not self.manifest.command:
            return None
        if self.manifest.size:
            return sum(tree_bytes(self.filled(path)) for path in self.manifest.size)
        return stripped_bytes(self.rig, shutil.which(self.filled(self.manifest.command[0])))

    def version(self):
        """What it is and of which version, or nothing where it cannot say."""
        if not self.manifest.version:
            return ""
        said = machine.command_output(*[self.filled(word) for word in self.manifest.version])
        found = re.search(r"\d+\.\d+[\w.]*", said)
        return f"{self.manifest.title} {found.group()}" if found else ""


def words(rig, upstream, name):
    """What `@word@` stands for."""
    load_bin = os.environ.get("LOAD_BIN", "")
    return {
        "upstream": upstream, "folder": os.path.join(rig.folder, name), "bin": load_bin,
        "peers": peers(), "key": KEY, "upstream_key": UPSTREAM_KEY,
        **{f"{alias}_alias": text for alias, text in ALIASES.items()},
        **{f"{alias}_model": text for alias, text in MODELS.items()},
    }


def peers():
    """Where install.sh puts other gateways."""
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(HERE, "..", "..", "target"))
    return os.path.abspath(os.environ.get("LOAD_PEERS", os.path.join(target, "load-peers")))


def fill(text, known, whose):
    """The text with every `@word@` replaced."""
    def replacement(match):
        if match.group(1) not in known:
            raise SystemExit(f"competitor {whose}: @{match.group(1)}@ is not known; there are {', '.join(known)}")
        return str(known[match.group(1)])

    return re.sub(r"@([a-z_0-9]+)@", replacement, text)


def start_all(rig, upstream, chosen):
    """Those of the chosen manifests that can run here, started, by name; says what is missing."""
    running = {}
    for row in chosen:
        try:
            running[row.name] = Competitor(row, rig, upstream).start()
        except Unavailable as reason:
            print(reason, file=sys.stderr)
    return running


def provider(rig):
    """The simulated provider; its port."""
    process = rig.start("sim", [program("aisix"), "sim", "--addr", "127.0.0.1:0"], machine.LOAD_CORE,
                        stdout=subprocess.PIPE)
    return int(process.line(r"http://127\.0\.0\.1:(\d+)").group(1))


def program(name):
    """Path of a program that build.sh made."""
    return os.path.join(os.environ["LOAD_BIN"], name)


def stripped_bytes(rig, path):
    copy = os.path.join(rig.folder, "stripped")
    if shutil.which("strip") and machine.run(["strip", "-o", copy, path], 60).returncode == 0:
        path = copy
    return os.path.getsize(path)


def tree_bytes(path):
    """Of all files below a folder, or of one file."""
    if os.path.isfile(path):
        return os.path.getsize(path)
    return sum(os.lstat(os.path.join(folder, name)).st_size for folder, _, names in os.walk(path) for name in names)


HELLO = '{"model": "%s", "messages": [{"role": "user", "content": "Hello"}]}'
