"""A collector of traces for tests: reads OTLP over HTTP with OpenTelemetry's own definitions, prints a span a line as JSON.

The first line has the port that it listens at.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status


def attributes(pairs):
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


def in_words(span, resource, tenant):
    return {
        "service": resource["service.name"],
        "environment": resource.get("deployment.environment.name"),
        "tenant": tenant,
        "name": span.name,
        "kind": Span.SpanKind.Name(span.kind),
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "parent": span.parent_span_id.hex(),
        "start": span.start_time_unix_nano,
        "end": span.end_time_unix_nano,
        "failed": span.status.code == Status.STATUS_CODE_ERROR,
        "attributes": attributes(span.attributes),
    }


class Collector(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/v1/traces" or self.headers["Content-Type"] != "application/x-protobuf":
            self.send_error(404)
            return
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            described = attributes(resource.resource.attributes)
            for scope in resource.scope_spans:
                for span in scope.spans:
                    line = json.dumps(in_words(span, described, self.headers["x-tenant"]))
                    with printing:
                        print(line, flush=True)
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


printing = threading.Lock()
server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Collector)
print(json.dumps({"port": server.server_port}), flush=True)
server.serve_forever()
