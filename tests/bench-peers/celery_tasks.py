"""Request and reply with Celery: `celery_tasks.py server` is a worker, `celery_tasks.py client` asks it.

Two processes of the worker, results over rpc://; everything else is as it is by default: JSON, a durable classic queue,
persistent requests, transient results, no confirms.
"""

import os
import signal
import sys

from celery import Celery
from celery.signals import worker_ready

import common

app = Celery("bench", broker=common.AMQP_URL, backend="rpc://")
REPLIES = {action: job["reply"] for action, job in common.jobs().items()}


@app.task(name="create_bucket")
def create_bucket(parameters):
    return REPLIES["create_bucket"]


@app.task(name="get_buckets_rmq")
def get_buckets_rmq(parameters):
    return REPLIES["get_buckets_rmq"]


TASKS = {"create_bucket": create_bucket, "get_buckets_rmq": get_buckets_rmq}


def serve():
    # The worker's own processes end with it.
    os.setpgrp()
    common.end_with_parent(lambda: os.killpg(0, signal.SIGKILL))
    worker_ready.connect(lambda **_: common.say_ready(), weak=False)
    app.worker_main(["worker", "--concurrency=2", "--loglevel=ERROR"])


def ask():
    common.serve_loads(lambda action, parameters: TASKS[action].delay(parameters).get(timeout=60))
    os._exit(0)


if __name__ == "__main__":
    {"server": serve, "client": ask}[sys.argv[1]]()
