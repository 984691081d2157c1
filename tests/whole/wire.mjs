// Engine.IO and Socket.IO by hand, for tests of what is on the wire: single requests and frames, nothing answered unasked.
import http from 'node:http';
import { WebSocket, eventually, patience, rest, token, within } from './harness.mjs';

export const separator = '\x1e';
export const target = (query) => `/socket.io/?${query}`;

/** One request on a connection of its own. */
export const ask = (gateway, method, query, body, headers = {}) =>
  rest(gateway, method, target(query), body, { token: null, headers: { 'content-type': 'text/plain;charset=UTF-8', ...headers } });

/** A request that can be given up: `answer` never comes then. */
export function begin(gateway, method, query, { body, length } = {}) {
  const request = http.request({
    host: '127.0.0.1', port: gateway.port, method, path: target(query), agent: false,
    headers: length === undefined ? {} : { 'content-length': length },
  });
  const answer = new Promise((resolve, reject) => {
    request.on('response', async (response) => {
      const text = Buffer.concat(await response.toArray()).toString();
      resolve({ status: response.statusCode, headers: response.headers, text });
    });
    request.on('error', reject);
  });
  const awaited = within(answer, `answer to ${method} ${query}`);
  awaited.catch(() => {});
  if (body !== undefined) request.write(body);
  if (length === undefined) request.end();
  else request.flushHeaders();
  return { answer: awaited, finish: (rest) => request.end(rest), abort: () => request.destroy() };
}

/** The answer to a poll brings the link's status alone, which may come at any time. */
export const isStatus = ({ text }) => text.split(separator).every((packet) => packet.startsWith('42/mqtt,["mqtt:status"'));

/** A session that is polled; joined to /mqtt unless told otherwise, and past its first status. */
export async function polled(gateway, { join = true } = {}) {
  const opened = await ask(gateway, 'GET', 'EIO=4&transport=polling');
  const { sid } = JSON.parse(opened.text.slice(1));
  const query = `EIO=4&transport=polling&sid=${sid}`;
  const session = {
    sid,
    query,
    opened,
    poll: () => ask(gateway, 'GET', query),
    beginPoll: () => begin(gateway, 'GET', query),
    post: (body, headers) => ask(gateway, 'POST', query, body, headers),
    /** Polls until a packet matches; the packets that came. */
    async until(pattern) {
      const packets = [];
      while (!packets.some((packet) => pattern.test(packet))) packets.push(...(await session.poll()).text.split(separator));
      return packets;
    },
    probe: (t) => socket(t, gateway, `EIO=4&transport=websocket&sid=${sid}`),
    /** Code 1 once the session is gone, and no harm before. */
    lives: async () => (await ask(gateway, 'PUT', query)).body.code === 3,
  };
  if (join) {
    await session.post(connectPacket());
    const packets = await session.until(/mqtt:status/);
    session.socketId = JSON.parse(packets.find((packet) => packet.startsWith('40/mqtt,')).slice(8)).sid;
  }
  return session;
}

export const connectPacket = (auth = { token: token(), recovery: false }) => `40/mqtt,${JSON.stringify(auth)}`;

/** A WebSocket that answers nothing of itself. Buffers are binary messages, strings are texts. */
export async function socket(t, gateway, query = 'EIO=4&transport=websocket', options = {}) {
  const ws = new WebSocket(`ws://127.0.0.1:${gateway.port}${target(query)}`, options);
  t.after(() => ws.terminate());
  const wire = { ws, messages: [], send: (message) => ws.send(message) };
  wire.closed = new Promise((resolve) => ws.on('close', (code, reason) => resolve({ code, reason: reason.toString() })));
  ws.on('message', (data, isBinary) => wire.messages.push(isBinary ? data : data.toString()));
  const refused = new Promise((resolve) => {
    ws.on('unexpected-response', (request, response) => resolve(response));
  });
  ws.on('error', () => {});
  const opened = new Promise((resolve) => {
    ws.on('upgrade', (response) => (wire.headers = response.headers));
    ws.on('open', () => resolve());
  });
  const response = await within(Promise.race([opened, refused]), `the upgrade of ${query}`);
  if (response) {
    wire.refused = { status: response.statusCode, headers: response.headers };
    wire.refused.text = Buffer.concat(await response.toArray()).toString();
  }
  wire.find = (pattern) =>
    eventually(() => wire.messages.find((message) => typeof message === 'string' && pattern.test(message)), `a frame like ${pattern}`);
  wire.next = async (pattern) => {
    await wire.find(pattern);
    return wire.messages.splice(0).find((message) => typeof message === 'string' && pattern.test(message));
  };
  return wire;
}

/** One over WebSocket alone, joined to /mqtt. */
export async function joined(t, gateway, auth = undefined) {
  const wire = await socket(t, gateway);
  await wire.find(/^0\{/);
  wire.send(connectPacket(auth));
  const connected = await wire.find(/^40\/mqtt,\{/);
  wire.socketId = JSON.parse(connected.slice(8)).sid;
  await wire.find(/mqtt:status/);
  wire.messages.length = 0;
  return wire;
}

/** Why the application was told that this socket is gone, in the log's words. */
export const reasonOf = async (gateway, socketId, ms = patience) =>
  (
    await eventually(
      () => gateway.log.find((line) => line.event === 'client disconnected' && line.socket === socketId),
      `news of the end of ${socketId}`,
      ms,
    )
  ).reason;

export const connectedClients = async (gateway) => (await rest(gateway, 'GET', '/mqtt/stats')).body.connectedClients;
