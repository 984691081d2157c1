"""What a client that does not recover must have received; accounting.mjs explains the fields of a message."""

import json


def decode(payload):
    """JSON as it is, or the byte 0xFF and JSON, which came as a binary attachment."""
    return json.loads(payload[1:]) if isinstance(payload, bytes) else payload


class Topic:
    def __init__(self):
        self.last = 0
        self.start_afresh()

    def start_afresh(self):
        self.asked = False
        self.since = None
        self.whole = False


class Tracker:
    """`filters` are dicts of a filter and its topics; `fail` takes a text; times are milliseconds of the wall clock."""

    def __init__(self, filters, fail):
        self.fail = fail
        self.topics_of = {each["topic"]: each["topics"] for each in filters}
        self.topics = {topic: Topic() for topics in self.topics_of.values() for topic in topics}
        self.received = 0
        self.away = 0

    def afresh(self):
        for topic in self.topics.values():
            topic.start_afresh()

    def subscribing(self, topic_filter):
        for topic in self.topics_of[topic_filter]:
            self.topics[topic].asked = True

    def subscribed(self, topic_filter, now_ms):
        for topic in self.topics_of[topic_filter]:
            if self.topics[topic].since is None:
                self.topics[topic].since = now_ms

    def message(self, message):
        self.received += 1
        name = message["topic"]
        topic = self.topics.get(name)
        if topic is None:
            self.fail(f"a message nobody sent: {name}")
            return
        content = decode(message["payload"])
        number = content["n"]
        if not topic.asked:
            self.fail(f"{name} {number} came without a subscription")
        if number <= topic.last:
            self.fail(f"{name} {number} came after {topic.last}: twice, or out of order")
            return
        lacking = number - topic.last - 1
        if topic.whole:
            if lacking > 0:
                self.fail(f"{name}: {lacking} lost between {topic.last} and {number}")
        else:
            if topic.last > 0:
                self.away += lacking
            if topic.since is not None:
                if lacking > 0 and content["q"] > topic.since:
                    late = content["q"] - topic.since
                    self.fail(f"{name} {number - 1} lost, sent {late} ms after the subscription")
                topic.whole = True
        topic.last = number

    def behind(self, lasts):
        """Which topics have not come to their end, given the last message {n, s} of each."""
        texts = []
        for name, topic in self.topics.items():
            end = lasts.get(name)
            if end is None or topic.since is None or topic.last >= end["n"]:
                continue
            if topic.whole or end["s"] > topic.since:
                texts.append(f"{name}: ended at {topic.last} of {end['n']}")
        return texts
