"""Drives the gateway with python-socketio, as a program of its own would: python_client.py MODE URL TOKEN TOPIC.

MODE is polling, websocket, upgrade or async. Prints `ok` and a summary as JSON, or fails with a traceback.
"""

import asyncio
import json
import queue
import sys
import threading

import socketio

NAMESPACE = "/mqtt"
PATIENCE = 15
BYTES = bytes([0xFF, 0x00, 0x80, 0x1E])


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def check_message(message, topic, payload):
    check(message["topic"] == topic, f"a message of {message['topic']}")
    check(message["payload"] == payload, f"payload {message['payload']!r} instead of {payload!r}")


def visit(turn, transports, url, token, topic):
    client = socketio.Client(reconnection=False)
    messages, statuses, answered = queue.Queue(), queue.Queue(), queue.Queue()
    gone = threading.Event()
    # Where recovery is on, an offset comes after the message: handlers take what comes.
    client.on("mqtt:message", lambda *args: messages.put(args[0]), namespace=NAMESPACE)
    client.on("mqtt:status", lambda *args: statuses.put(args[0]), namespace=NAMESPACE)
    client.on("disconnect", gone.set, namespace=NAMESPACE)

    client.connect(url, auth={"token": token, "recovery": False}, namespaces=[NAMESPACE], transports=transports,
                   wait_timeout=PATIENCE)
    check(statuses.get(timeout=PATIENCE)["isConnected"] is True, "the first status")
    sid = client.get_sid(NAMESPACE)
    reply = client.call("mqtt:subscribe", {"topic": topic, "qos": 1}, namespace=NAMESPACE, timeout=PATIENCE)
    check(reply["success"] is True, f"subscribe: {reply}")

    for payload in ({"n": turn, "text": "äöü €"}, BYTES, *range(40)):
        client.emit("mqtt:publish", {"topic": topic, "payload": payload, "qos": 1}, namespace=NAMESPACE,
                    callback=lambda *args: answered.put(args[0]))
        check_message(messages.get(timeout=PATIENCE), topic, payload)
        check(answered.get(timeout=PATIENCE)["success"] is True, "publish")

    refused = client.call("mqtt:publish", {"topic": "a/#", "payload": 1}, namespace=NAMESPACE, timeout=PATIENCE)
    check(refused["success"] is False, f"a bad topic is taken: {refused}")
    # Its writer gives up what is queued if the answer to the POST before is still on its way when it disconnects.
    client.sleep(0.5)
    client.disconnect()
    check(gone.wait(PATIENCE), "disconnect")
    return sid


def run(transports, url, token, topic):
    # A client object of this version loses its queue when it is connected a second time, so each turn has its own.
    sids = {visit(turn, transports, url, token, topic) for turn in range(2)}
    check(len(sids) == 2 and None not in sids, "an id of its own for each session")

    refusal = socketio.Client(reconnection=False)
    try:  # it waits for as long as it is told to, even once it has been refused
        refusal.connect(url, auth={"token": "x"}, namespaces=[NAMESPACE], transports=transports, wait_timeout=2)
    except socketio.exceptions.ConnectionError:
        pass
    else:
        raise AssertionError("a bad token is let in")
    finally:
        refusal.disconnect()


async def run_async(url, token, topic):
    for turn in range(2):
        client = socketio.AsyncClient(reconnection=False)
        messages, statuses = asyncio.Queue(), asyncio.Queue()
        client.on("mqtt:message", lambda *args, to=messages: to.put_nowait(args[0]), namespace=NAMESPACE)
        client.on("mqtt:status", lambda *args, to=statuses: to.put_nowait(args[0]), namespace=NAMESPACE)
        await client.connect(url, auth={"token": token, "recovery": False}, namespaces=[NAMESPACE], wait_timeout=PATIENCE)
        await asyncio.wait_for(statuses.get(), PATIENCE)
        reply = await client.call("mqtt:subscribe", {"topic": topic, "qos": 1}, namespace=NAMESPACE, timeout=PATIENCE)
        check(reply["success"] is True, f"subscribe: {reply}")
        for payload in ({"n": turn}, BYTES, *range(40)):
            reply = await client.call("mqtt:publish", {"topic": topic, "payload": payload, "qos": 1}, namespace=NAMESPACE,
                                      timeout=PATIENCE)
            check(reply["success"] is True, f"publish: {reply}")
            check_message(await asyncio.wait_for(messages.get(), PATIENCE), topic, payload)
        await client.disconnect()


def main():
    mode, url, token, topic = sys.argv[1:]
    if mode == "async":
        asyncio.run(run_async(url, token, topic))
    else:
        run({"polling": ["polling"], "websocket": ["websocket"], "upgrade": None}[mode], url, token, topic)
    print(json.dumps({"ok": True, "mode": mode}))


main()
