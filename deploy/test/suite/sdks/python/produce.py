"""Sends events.json with the official SDK for Python, by its first and its present interface, and as C#'s SDK does.

All of it goes through librdkafka, which is what the Kafka clients of Python and C# are made of.
Usage: produce.py BROKER TOPIC TIME EVENTS
"""

import json
import sys
from datetime import datetime
from decimal import Decimal

from cloudevents.core.bindings import kafka as core
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1 import kafka as v1
from cloudevents.v1.http import CloudEvent as FirstCloudEvent
from confluent_kafka import Producer

CUT = "🙂".encode("utf-16-le", "surrogatepass")[:2].decode("utf-16-le", "surrogatepass")


def with_python_values(event):
    data = dict(event["data"], preview="cut in the middle " + CUT)
    if event["type"] == "usage.token.v1":
        data["cost_usd"] = str(Decimal("0.00000035"))
    return data


def messages(event, time):
    """Gives (name, mode, message) for each way to send the event."""
    data = with_python_values(event)

    def attributes(name, mode, when):
        return {"id": event["id"], "source": f"/sdks/{name}/{mode}", "type": event["type"], "time": when,
                "datacontenttype": "application/json", "partitionkey": data["org_id"]}

    for mode, convert in {"structured": core.to_structured, "binary": core.to_binary}.items():
        own = attributes("python", mode, datetime.fromisoformat(time)) | {"specversion": "1.0"}
        yield convert(CloudEvent(own, data), JSONFormat())
    for mode, convert in {"structured": v1.to_structured, "binary": v1.to_binary}.items():
        yield convert(FirstCloudEvent(attributes("python-v1", mode, time), data))
    for mode in "structured", "structured-charset", "binary":
        yield as_csharp(attributes("csharp", mode, time), mode, data)


def as_csharp(attributes, mode, data):
    """Does what ToKafkaMessage of CloudNative.CloudEvents.Kafka 2.x does, with JsonEventFormatter.

    Headers repeat the attributes in both modes. Its JSON writer escapes all that is not ASCII, and quotes, + and < too.
    """
    key = attributes.pop("partitionkey")
    content_type = attributes["datacontenttype"]
    headers = [("ce_specversion", b"1.0")]
    headers += [("ce_" + name, value.encode()) for name, value in attributes.items() if name != "datacontenttype"]
    text = data
    if mode != "binary":
        content_type = "application/cloudevents+json"
        if mode == "structured-charset":
            content_type += "; charset=utf-8"
        text = {"specversion": "1.0"} | attributes | {"data": data}
    value = json.dumps(text, separators=(",", ":")).replace("+", r"\u002B")
    headers.append(("content-type", content_type.encode()))
    return v1.KafkaMessage(headers, key, value.encode())


def main(broker, topic, time, events):
    failed = []
    producer = Producer({"bootstrap.servers": broker, "acks": "all", "compression.type": "zstd"})
    with open(events, encoding="utf-8") as file:
        events = json.load(file)
    for _ in range(2):  # a retry sends the same again
        for event in events:
            for m in messages(event, time):
                headers = list(m.headers.items()) if isinstance(m.headers, dict) else m.headers
                producer.produce(topic, m.value, m.key, headers=headers,
                                 on_delivery=lambda error, _: error and failed.append(error))
    producer.flush(60)
    if failed or len(producer):
        sys.exit(f"not sent: {failed}, {len(producer)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
