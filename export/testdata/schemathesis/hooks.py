# What openapi.yaml says in words, because a schema cannot: which dates and which zones there are.
import datetime

import schemathesis
from hypothesis import strategies

today = datetime.datetime.now(datetime.timezone.utc).date()
days = strategies.dates(today - datetime.timedelta(days=300), today - datetime.timedelta(days=1))
zones = strategies.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Etc/GMT+5"])
schemathesis.openapi.format("date", days.map(str))
schemathesis.openapi.format("iana-time-zone", zones)


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.query and "from" in case.query and "to" in case.query:
        case.query["from"], case.query["to"] = sorted([case.query["from"], case.query["to"]])
    if isinstance(case.body, dict) and "from" in case.body:
        # the drop-in surface: the times of day and the zones stay as they were made up
        for end, ago in ("from", 40), ("to", 0):
            clock = case.body[end]
            clock["date"] = str(today - datetime.timedelta(days=ago)) + clock["date"][10:]
