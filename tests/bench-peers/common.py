"""What the scripts in Python share: the job they are given, the end of a server, and the load of a client.

BENCH_AMQP_URL names broker, user, password and virtual host. BENCH_JOBS is a file: for each action the requests to send
by turns, the parameter (if any) that is new in each, and the reply, as Purser gave it.
"""

import json
import os
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

THREADS_MAX = 128

AMQP_URL = os.environ["BENCH_AMQP_URL"]


def jobs():
    """The actions with their requests and replies."""
    with open(os.environ["BENCH_JOBS"], encoding="utf-8") as file:
        return json.load(file)


def say_ready():
    """Tells the parent that work may begin."""
    # Not through sys.stdout, which Celery's worker makes a log.
    os.write(1, b"ready\n")


def end_with_parent(end):
    """Calls `end` once the parent has gone, which closes this process's input."""

    def wait():
        # Not through sys.stdin, whose lock would break an interpreter that ends by itself.
        while os.read(sys.stdin.fileno(), 1024):
            pass
        end()

    threading.Thread(target=wait, daemon=True).start()


def serve_loads(call):
    """Runs the load that each line of input describes and answers with a line of figures, until the input ends.

    `call(action, parameters)` sends one request and returns its reply.
    """
    all_jobs = jobs()
    # The same threads for all loads: Celery names a thread's queue of results after an id that its successors get again.
    threads = ThreadPoolExecutor(THREADS_MAX)
    say_ready()
    for line in sys.stdin:
        load = json.loads(line)
        action = load["action"]
        figures = closed_loop(threads, call, action, all_jobs[action], load["in_flight"], load["seconds"])
        print(json.dumps(figures), flush=True)


def closed_loop(threads, call, action, job, in_flight, seconds):
    """Has so many threads ask, each again as soon as it is answered; those under way at the end are waited for."""
    started = time.monotonic()

    def work(worker):
        requests, fresh, latencies_ms = job["requests"], job["fresh"], []
        while time.monotonic() - started < seconds:
            turn = worker + len(latencies_ms) * in_flight
            parameters = dict(requests[turn % len(requests)])
            begun = time.monotonic()
            if fresh:
                parameters[fresh] = f"b{uuid.uuid4().hex}"
            reply = call(action, parameters)
            if reply["result"] != "OK":
                raise RuntimeError(f"{action} was answered with {reply}")
            latencies_ms.append((time.monotonic() - begun) * 1e3)
        return latencies_ms

    workers = [threads.submit(work, worker) for worker in range(in_flight)]
    latencies_ms = sorted(latency for worker in workers for latency in worker.result())
    elapsed = time.monotonic() - started
    return {
        "operations": len(latencies_ms),
        "seconds": elapsed,
        "p50_ms": latencies_ms[(len(latencies_ms) - 1) * 50 // 100],
        "p99_ms": latencies_ms[(len(latencies_ms) - 1) * 99 // 100],
    }
