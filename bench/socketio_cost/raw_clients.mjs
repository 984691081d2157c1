// Clients that cost next to nothing: hand-written Engine.IO over `net`. The official ones cost more than a server does,
// and would be what is measured. They trust the server, and count bytes where they can.
import net from "node:net";

const kHost = "127.0.0.1";
const kPath = "/socket.io/?EIO=4";
const kRecord = "\x1e";

/// A text frame of a client: its mask is zero, so that the payload is as it was.
export function frame(text) {
  const payload = Buffer.from(text);
  if (payload.length > 65_535) throw new Error("too long for this generator");
  const head =
    payload.length < 126
      ? Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0])
      : Buffer.from([0x81, 0xfe, payload.length >> 8, payload.length & 0xff, 0, 0, 0, 0]);
  return Buffer.concat([head, payload]);
}

/// How many bytes a server's frame with this payload has.
export const frameBytes = (text) => Buffer.byteLength(text) + (Buffer.byteLength(text) < 126 ? 2 : 4);

const kCloseFrame = Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]);
const sharedBuffer = Buffer.allocUnsafe(1 << 18);

/// What a number of sockets together wait for: an exact number of bytes.
export class Tally {
  #left = 0;
  #done = null;

  async expect(bytes, send) {
    this.#left += bytes;
    const done = new Promise((resolve) => (this.#done = resolve));
    send();
    if (this.#left > 0) await done;
    if (this.#left !== 0) throw new Error(`${-this.#left} bytes too many came`);
  }

  count(bytes) {
    this.#left -= bytes;
    if (this.#left <= 0) this.#done?.();
  }
}

/// A TCP connection that hands on what it reads, without keeping any of it.
class Wire {
  constructor(port) {
    this.onBytes = () => {};
    this.onClosed = (error) => {
      throw error ?? new Error("the server closed a connection");
    };
    this.socket = net.connect({
      host: kHost,
      port,
      noDelay: true,
      onread: {
        buffer: sharedBuffer,
        callback: (count, bytes) => {
          this.onBytes(bytes.subarray(0, count));
          return true;
        },
      },
    });
    let problem = null;
    this.socket.on("error", (error) => (problem = error));
    this.socket.on("close", () => this.onClosed(problem));
  }

  write(bytes) {
    this.socket.write(bytes);
  }

  /// Resolves with all text read by then, as soon as the test holds.
  until(test) {
    return new Promise((resolve, reject) => {
      let text = "";
      this.onClosed = (error) => reject(error ?? new Error(`closed after: ${text}`));
      this.onBytes = (bytes) => {
        text += bytes.latin1Slice();
        if (test(text)) resolve(text);
      };
    });
  }

  closed() {
    return new Promise((resolve) => (this.onClosed = resolve));
  }
}

const kWebSocketFields =
  "Host: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

export class WebSocketClient {
  static async connect(port) {
    const client = new WebSocketClient(new Wire(port));
    client.write(`GET ${kPath}&transport=websocket HTTP/1.1\r\n${kWebSocketFields}`);
    await client.wire.until((text) => text.includes('"maxPayload"') && text.endsWith("}"));
    client.write(frame("40"));
    await client.wire.until((text) => text.includes('40{"sid"') && text.endsWith("}"));
    return client;
  }

  constructor(wire) {
    this.wire = wire;
  }

  write(bytes) {
    this.wire.write(bytes);
  }

  /// What is read counts in the tally from now on.
  countIn(tally) {
    this.wire.onBytes = (bytes) => tally.count(bytes.length);
  }

  /// Answers every packet that asks for it, and counts the others in the tally.
  answerWith(answer, tally) {
    let rest = Buffer.alloc(0);
    this.wire.onBytes = (bytes) => {
      let data = rest.length > 0 ? Buffer.concat([rest, bytes]) : bytes;
      let at = 0;
      while (data.length - at >= 4) {
        const wide = (data[at + 1] & 0x7f) === 126;
        const head = wide ? 4 : 2;
        const size = head + (wide ? data.readUInt16BE(at + 2) : data[at + 1] & 0x7f);
        if (data.length - at < size) break;
        const match = /^42(\d+)/.exec(data.latin1Slice(at + head, Math.min(at + size, at + head + 16)));
        if (match) this.write(frame(`43${match[1]}${answer}`));
        else tally.count(size);
        at += size;
      }
      rest = Buffer.from(data.subarray(at));
    };
  }

  /// All that is read until the test holds.
  async ask(text, test) {
    const answer = this.wire.until(test);
    this.write(frame(text));
    return answer;
  }

  async close() {
    const closed = this.wire.closed();
    this.write(Buffer.concat([frame("41"), kCloseFrame]));
    await closed;
  }
}

const hasWholeAnswer = (text) => {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return false;
  const length = /content-length: (\d+)/i.exec(text);
  if (!text.startsWith("HTTP/1.1 200") || !length) throw new Error(`unexpected answer: ${text}`);
  return text.length >= end + 4 + Number(length[1]);
};

/// Two connections, as a browser has: one for the polls, one that sends; the second is opened when it is needed.
export class PollingClient {
  static async connect(port) {
    const client = new PollingClient(port);
    const handshake = await client.#get();
    client.sid = /"sid":"([^"]+)"/.exec(handshake)[1];
    client.pollRequest = Buffer.from(`GET ${kPath}&transport=polling&sid=${client.sid} HTTP/1.1\r\nHost: bench\r\n\r\n`);
    await client.post("40", client.polls);
    const joined = await client.#get();
    if (!joined.includes('40{"sid"')) throw new Error(`not joined: ${joined}`);
    return client;
  }

  constructor(port) {
    this.port = port;
    this.polls = new Wire(port);
    this.pollRequest = `GET ${kPath}&transport=polling HTTP/1.1\r\nHost: bench\r\n\r\n`;
  }

  #get() {
    const answer = this.polls.until(hasWholeAnswer);
    this.polls.write(this.pollRequest);
    return answer;
  }

  /// Polls once; the promise is of the body.
  poll() {
    return this.#get();
  }

  /// Polls again after each answer; bodies count in the tally.
  keepPolling(tally) {
    let text = "";
    this.polls.onBytes = (bytes) => {
      text += bytes.latin1Slice();
      if (!hasWholeAnswer(text)) return;
      const body = text.slice(text.indexOf("\r\n\r\n") + 4);
      text = "";
      this.polls.write(this.pollRequest);
      for (const packet of body.split(kRecord)) tally.count(packet.length);
    };
    this.polls.write(this.pollRequest);
  }

  post(body, wire = (this.sending ??= new Wire(this.port))) {
    const answer = wire.until(hasWholeAnswer);
    wire.write(
      `POST ${kPath}&transport=polling&sid=${this.sid} HTTP/1.1\r\nHost: bench\r\n` +
        `Content-Type: text/plain;charset=UTF-8\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    return answer;
  }

  /// Leaves the polls' connection to the session's end, as nobody polls any more.
  async close() {
    await this.post(`41${kRecord}1`, this.polls);
    await this.#drop(this.polls);
  }

  /// To be called while a poll is pending; becomes a WebSocket.
  async upgrade() {
    const client = new WebSocketClient(new Wire(this.port));
    client.write(`GET ${kPath}&transport=websocket&sid=${this.sid} HTTP/1.1\r\n${kWebSocketFields}`);
    await client.wire.until((text) => text.includes("\r\n\r\n"));
    const released = this.pending;
    await client.ask("2probe", (text) => text.includes("3probe"));
    await released;
    client.write(frame("5"));
    await this.#drop(this.polls);
    return client;
  }

  async #drop(wire) {
    const closed = wire.closed();
    wire.socket.end();
    await closed;
  }

  /// Ends an idle or polling session: the pending poll is answered when the session closes.
  async closeWhilePolling() {
    this.polls.onClosed = () => {};
    this.polls.onBytes = () => {};
    await this.post(`41${kRecord}1`);
    this.polls.socket.destroy();
    await this.#drop(this.sending);
  }
}
