"""Many AsyncClients of python-socketio in one process, over aiohttp."""

import asyncio
import logging
import random
import threading

import socketio
from python_client import NAMESPACE, PATIENCE, Process, say

logging.disable(logging.CRITICAL)


async def stay(process, account, client):
    """Publishes now and then, until the connection goes, or it is time to leave it."""
    settings = process.settings
    life = random.expovariate(1 / settings["lifeSeconds"])
    period = settings["publishEveryMs"] / 1000
    clock = asyncio.get_running_loop().time
    ends, publishes = clock() + life, clock() + random.random() * period
    while not process.leaving and client.connected and account.connected:
        await asyncio.sleep(0.25)
        if client.eio.read_loop_task.done() and account.connected:
            # python-engineio 4.3 lets its read loop die of a body that is cut short, and tells nobody.
            process.statistics.count("read loops that died")
            account.dropped()
            return
        if clock() > ends and not process.quiet:
            return
        if clock() > publishes and client.connected and account.connected:
            publishes += period
            request, answered = account.next_publish()
            await client.emit("mqtt:publish", request, namespace=NAMESPACE, callback=answered)


async def one_connection(process, account):
    """A client object of its own for each connection: an old one's read loop must not end the next connection."""
    client = socketio.AsyncClient(reconnection=False, request_timeout=PATIENCE)

    def gone():
        if account.connected:
            account.dropped()

    # Where recovery is on, an offset comes after the message: handlers take what comes.
    client.on("mqtt:message", lambda *args: account.message(client, args[0]), namespace=NAMESPACE)
    client.on("disconnect", gone, namespace=NAMESPACE)
    client.on("connect_error", lambda *args: account.fail(f"refused: {args}"), namespace=NAMESPACE)
    account.begin(client)
    try:
        await client.connect(process.url_of(account), auth={"token": account.plan["token"]}, namespaces=[NAMESPACE],
                             transports=[account.plan["mode"]], wait_timeout=PATIENCE)
    except Exception as error:  # aiohttp, asyncio and socketio each have their own
        process.statistics.count("connect errors")
        if not account.plan["proxied"]:
            account.fail(f"cannot connect: {error!r}")
        await close(client)
        return
    account.connected = True
    process.statistics.count("connects")
    for each in account.plan["filters"]:
        account.tracker.subscribing(each["topic"])
        await client.emit("mqtt:subscribe", {"topic": each["topic"], "qos": each["qos"]}, namespace=NAMESPACE,
                          callback=lambda reply, topic=each["topic"]: account.subscribed(topic, reply))
    try:
        await stay(process, account, client)
    except socketio.exceptions.BadNamespaceError:
        pass  # The connection went between the look and the emit.
    account.end()
    if client.connected:
        process.statistics.count("left")
        await client.disconnect()
    await close(client)


async def close(client):
    """What python-engineio 4.3 leaves behind: its loops and its HTTP session."""
    await asyncio.sleep(0.5)
    tasks = [task for task in (getattr(client.eio, "read_loop_task", None), getattr(client.eio, "write_loop_task", None)) if task]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    if client.eio.http and not client.eio.http.closed:
        await client.eio.http.close()


async def live(process, account, delay):
    await asyncio.sleep(delay)
    while not process.leaving:
        await one_connection(process, account)
        await asyncio.sleep(random.random() * 3)


async def main():
    process = Process()
    process.first_command()
    ramp = process.settings["rampMs"] / 1000
    lives = [asyncio.create_task(live(process, account, ramp * i / len(process.accounts)))
             for i, account in enumerate(process.accounts)]
    threading.Thread(target=process.serve_commands, daemon=True).start()
    asyncio.get_running_loop().call_later(ramp, lambda: say(kind="started"))
    for result in await asyncio.gather(*lives, return_exceptions=True):
        if result is not None:
            say(kind="failure", text=f"the soak's own client: {result!r}")
    say(kind="left")


asyncio.run(main())
