"""What curl, h2load and nghttp see: clients as they are, and many streams at once."""

import json
import re
import subprocess

from wire import BODY, STREAM_BODY


def output_of(*command):
    run = subprocess.run(command, capture_output=True, timeout=30, check=False)
    assert run.returncode == 0, f"{command[0]} ended with {run.returncode}: {run.stderr.decode()[-300:]}"
    return run.stdout.decode()


def url(server, path="/v1/chat/completions"):
    return "http://{}:{}{}".format(*server.address, path)


def curl(server, *options, path="/v1/chat/completions"):
    """Status and version, and the body."""
    shown = output_of("curl", "--silent", "--http2-prior-knowledge", "--max-time", "10",
                      "--write-out", "\n%{http_code} %{http_version}",
                      "--header", f"authorization: Bearer {server.key}", *options, url(server, path))
    body, _, summary = shown.rpartition("\n")
    status, version = summary.split()
    assert version == "2", f"version {version}"
    return int(status), body


def a_whole_answer(server):
    status, body = curl(server, "--json", BODY.decode())
    assert status == 200 and json.loads(body)["model"] == "chat", body


def a_stream(server):
    status, body = curl(server, "--no-buffer", "--json", STREAM_BODY.decode())
    assert status == 200 and body.rstrip().endswith("data: [DONE]"), body[-200:]


def errors(server):
    assert curl(server, path="/nowhere")[0] == 404
    assert curl(server)[0] == 405
    assert curl(server, "--json", "{")[0] == 400
    assert curl(server, "--header", "authorization: Bearer sk-wrong", "--json", BODY.decode())[0] == 401


def a_head(server):
    assert curl(server, "--head", path="/livez")[0] == 200


def a_large_upload(server):
    body = json.dumps({"model": "chat", "messages": [{"role": "user", "content": "u" * (4 << 20)}]})
    with open(f"{server.folder}/large.json", "w", encoding="ascii") as file:
        file.write(body)
    status, answer = curl(server, "--json", f"@{server.folder}/large.json")
    assert status == 200, answer


def an_upgrade_from_http_1(server):
    """`Upgrade: h2c` is not granted: the answer is HTTP/1.1."""
    shown = output_of("curl", "--silent", "--http2", "--max-time", "10", "--output", "/dev/null",
                      "--write-out", "%{http_code} %{http_version}", url(server, "/livez"))
    assert shown == "200 1.1", shown


def nghttp_with_dependencies(server):
    """nghttp sends PRIORITY frames for idle streams before its requests."""
    shown = output_of("nghttp", "--no-content-length", "--stat", "--timeout=10", "--multiply=20",
                      url(server, "/livez"))
    assert shown.count(" 200 ") >= 20, shown[-500:]


def h2load(server, body, *options):
    with open(f"{server.folder}/body.json", "wb") as file:
        file.write(body)
    shown = output_of("h2load", "--data", f"{server.folder}/body.json",
                      "--header", f"authorization: Bearer {server.key}",
                      "--header", "content-type: application/json", *options, url(server))
    wanted = int(options[options.index("-n") + 1])
    requests = re.search(r"requests: .* (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", shown)
    statuses = re.search(r"status codes: (\d+) 2xx", shown)
    assert requests and statuses, shown
    assert [*map(int, requests.groups())] == [wanted, 0, 0, 0] and int(statuses[1]) == wanted, shown


def a_thousand_answers(server):
    h2load(server, BODY, "-n", "1000", "-c", "10", "-m", "100")


def a_thousand_streams(server):
    h2load(server, STREAM_BODY, "-n", "1000", "-c", "10", "-m", "100")


def a_thousand_in_small_windows(server):
    h2load(server, STREAM_BODY, "-n", "1000", "-c", "10", "-m", "5", "-w", "10", "-W", "12")


def five_thousand_one_after_the_other(server):
    h2load(server, BODY, "-n", "5000", "-c", "5", "-m", "1")


CASES = [
    ("curl gets a whole answer", a_whole_answer),
    ("curl gets a stream", a_stream),
    ("curl gets errors with their status", errors),
    ("curl gets a head without a body", a_head),
    ("curl uploads four megabytes", a_large_upload),
    ("curl is not upgraded", an_upgrade_from_http_1),
    ("nghttp makes streams depend on each other", nghttp_with_dependencies),
    ("h2load gets 1,000 answers over 10 connections", a_thousand_answers),
    ("h2load gets 1,000 streams over 10 connections", a_thousand_streams),
    ("h2load gets 1,000 streams through windows of a kilobyte", a_thousand_in_small_windows),
    ("h2load gets 5,000 answers one after the other", five_thousand_one_after_the_other),
]
