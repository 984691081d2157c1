"""Clients of python-socketio that block, a thread or more each, over requests and websocket-client."""

import logging
import random
import threading
import time

import engineio
import socketio
from python_client import NAMESPACE, PATIENCE, Process, say

logging.disable(logging.CRITICAL)


class InOrder(engineio.Client):
    """The original starts a thread for each message, which loses their order before any handler sees it."""

    def _trigger_event(self, event, *args, **kwargs):
        kwargs["run_async"] = False
        return super()._trigger_event(event, *args, **kwargs)


class Client(socketio.Client):
    def _engineio_client_class(self):
        return InOrder


def stay(process, account, client):
    settings = process.settings
    ends = time.monotonic() + random.expovariate(1 / settings["lifeSeconds"])
    period = settings["publishEveryMs"] / 1000
    publishes = time.monotonic() + random.random() * period
    while not process.leaving and client.connected and account.connected:
        time.sleep(0.25)
        if time.monotonic() > ends and not process.quiet:
            return
        if time.monotonic() > publishes and client.connected and account.connected:
            publishes += period
            request, answered = account.next_publish()
            client.emit("mqtt:publish", request, namespace=NAMESPACE, callback=answered)


def one_connection(process, account):
    client = Client(reconnection=False, handle_sigint=False, request_timeout=PATIENCE)

    def gone():
        if account.connected:
            account.dropped()

    client.on("mqtt:message", lambda *args: account.message(client, args[0]), namespace=NAMESPACE)
    client.on("disconnect", gone, namespace=NAMESPACE)
    client.on("connect_error", lambda *args: account.fail(f"refused: {args}"), namespace=NAMESPACE)
    account.begin(client)
    try:
        client.connect(process.url_of(account), auth={"token": account.plan["token"]}, namespaces=[NAMESPACE],
                       transports=[account.plan["mode"]], wait_timeout=PATIENCE)
    except Exception as error:  # requests, websocket-client and socketio each have their own
        process.statistics.count("connect errors")
        if not account.plan["proxied"]:
            account.fail(f"cannot connect: {error!r}")
        return
    account.connected = True
    process.statistics.count("connects")
    try:
        for each in account.plan["filters"]:
            account.tracker.subscribing(each["topic"])
            client.emit("mqtt:subscribe", {"topic": each["topic"], "qos": each["qos"]}, namespace=NAMESPACE,
                        callback=lambda reply, topic=each["topic"]: account.subscribed(topic, reply))
        stay(process, account, client)
    except socketio.exceptions.BadNamespaceError:
        pass  # The connection went between the look and the emit.
    account.end()
    if client.connected:
        process.statistics.count("left")
        client.disconnect()


def live(process, account, delay):
    time.sleep(delay)
    while not process.leaving:
        one_connection(process, account)
        time.sleep(random.random() * 3)


def main():
    process = Process()
    process.first_command()
    ramp = process.settings["rampMs"] / 1000
    lives = [threading.Thread(target=live, args=(process, account, ramp * i / len(process.accounts)), daemon=True)
             for i, account in enumerate(process.accounts)]
    for thread in lives:
        thread.start()
    threading.Timer(ramp, lambda: say(kind="started")).start()
    process.serve_commands()
    for thread in lives:
        thread.join(10)
    say(kind="left")


main()
