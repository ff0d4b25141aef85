"""Request and reply with oslo.messaging: `oslo.py server` answers, `oslo.py client` asks.

Everything is as it is by default: the executor with threads, JSON, queues that aren't durable, no confirms for replies.
"""

import os
import sys
import threading

import oslo_messaging
from oslo_config import cfg

import common

TOPIC = "bench"


class Endpoint:
    """Answers with what it was given beforehand; nothing is behind it."""

    def __init__(self):
        self.replies = {action: job["reply"] for action, job in common.jobs().items()}

    def create_bucket(self, context, parameters):
        return self.replies["create_bucket"]

    def get_buckets_rmq(self, context, parameters):
        return self.replies["get_buckets_rmq"]


def transport():
    # The global one: the library itself reads some of its options there only.
    cfg.CONF([], project="bench", default_config_files=[])
    return oslo_messaging.get_rpc_transport(cfg.CONF, url=common.AMQP_URL.replace("amqp://", "rabbit://", 1))


def serve():
    target = oslo_messaging.Target(topic=TOPIC, server="bench")
    server = oslo_messaging.get_rpc_server(transport(), target, [Endpoint()])
    server.start()
    common.end_with_parent(lambda: os._exit(0))
    common.say_ready()
    # Until the parent has gone; its own wait() takes that for a hang.
    threading.Event().wait()


def ask():
    client = oslo_messaging.get_rpc_client(transport(), oslo_messaging.Target(topic=TOPIC))
    common.serve_loads(lambda action, parameters: client.call({}, action, parameters=parameters))
    # Its threads needn't be asked whether they agree.
    os._exit(0)


if __name__ == "__main__":
    {"server": serve, "client": ask}[sys.argv[1]]()
