"""What clients of both kinds of python-socketio share: the accounts of one client and of a process."""

import collections
import json
import sys
import threading
import time

from python_accounting import Tracker

NAMESPACE = "/mqtt"
PATIENCE = 60
output_lock = threading.Lock()


def say(**message):
    with output_lock:
        print(json.dumps(message), flush=True)


def now_ms():
    return int(time.time() * 1000)


class Statistics:
    def __init__(self):
        self.lock = threading.Lock()
        self.counts = collections.Counter()

    def count(self, name):
        with self.lock:
            self.counts[name] += 1

    def report(self):
        with self.lock:
            return dict(self.counts)


class Account:
    """One client over all its connections."""

    def __init__(self, plan, statistics):
        self.plan = plan
        self.statistics = statistics
        self.tracker = Tracker(plan["filters"], self.fail)
        self.sent = 0
        self.open = set()
        self.connected = False
        self.provoked = False
        self.client = None

    def fail(self, text):
        say(kind="failure", text=f"{self.plan['id']} (python {self.plan['mode']}): {text}")

    def begin(self, client):
        self.client = client
        self.tracker.afresh()
        self.provoked = False

    def end(self):
        self.provoked = True
        self.connected = False
        self.client = None

    def message(self, client, message):
        """A client object that has been left still has its last poll, until the server hears that it is gone."""
        if self.client is client:
            self.tracker.message(message)
        else:
            self.statistics.count("after leaving")

    def subscribed(self, topic, reply):
        if reply["success"]:
            self.tracker.subscribed(topic, now_ms())
        else:
            self.fail(f"subscribe {topic}: {reply}")

    def next_publish(self):
        self.sent += 1
        self.open.add(self.sent)
        self.statistics.count("published")
        number = self.sent

        def answered(*args):
            if args[0]["success"]:
                self.open.discard(number)
                self.statistics.count("acknowledged")
            else:
                self.fail(f"publish {number}: {args[0]}")

        return {"topic": self.plan["up"], "payload": {"n": number}, "qos": 1}, answered

    def dropped(self):
        self.connected = False
        if not self.provoked and not self.plan["proxied"]:
            self.fail("dropped without a cause")
        self.statistics.count("drops" if not self.provoked else "left")

    def behind(self, lasts):
        if not self.connected:
            return [f"{self.plan['id']}: is not connected"]
        return [f"{self.plan['id']} (python): {text}" for text in self.tracker.behind(lasts)]

    def summary(self):
        return {"id": self.plan["id"], "up": self.plan["up"], "sent": self.sent, "open": sorted(self.open),
                "received": self.tracker.received, "away": self.tracker.away}


class Process:
    """Takes the driver's commands, which come as JSON lines on standard input."""

    def __init__(self):
        self.statistics = Statistics()
        self.accounts = []
        self.quiet = self.leaving = False
        self.settings = None

    def first_command(self):
        self.settings = json.loads(sys.stdin.readline())
        self.accounts = [Account(plan, self.statistics) for plan in self.settings["plans"]]

    def url_of(self, account):
        return self.settings["proxyUrl" if account.plan["proxied"] else "url"]

    def serve_commands(self):
        """Runs in a thread of its own; returns once the driver wants everybody to leave."""
        threading.Thread(target=self.report, daemon=True).start()
        for line in sys.stdin:
            values = json.loads(line)
            if values["command"] == "quiet":
                self.quiet = True
            elif values["command"] == "finish":
                self.finish(values["lasts"], values["ms"] / 1000)
            elif values["command"] == "leave":
                break
        self.leaving = True

    def report(self):
        while not self.leaving:
            time.sleep(10)
            say(kind="statistics", statistics=self.statistics.report())

    def finish(self, lasts, patience):
        deadline = time.monotonic() + patience
        while True:
            behind = [text for account in self.accounts for text in account.behind(lasts)]
            if not behind or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        say(kind="finished", behind=behind, statistics=self.statistics.report(),
            clients=[account.summary() for account in self.accounts])
