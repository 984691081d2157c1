import { useEffect, useRef, useState } from 'react';
import { userOf } from './token.js';
import { useRoom } from './use_room.js';

const topic = 'chat/room1';

/** What other MQTT programs publish need not be one of our objects. */
function textOf(payload) {
  if (typeof payload === 'string') return payload;
  if (payload instanceof ArrayBuffer) return `${payload.byteLength} bytes`;
  return payload?.text ?? JSON.stringify(payload);
}

function Message({ message, me }) {
  const { payload, timestamp } = message;
  const user = payload?.user ?? 'mqtt';
  const time = new Date(payload?.timestamp ?? timestamp);
  return (
    <li className={user === me ? 'mine' : undefined}>
      <span className="by">
        {user} <time>{Number.isNaN(time.getTime()) ? '' : time.toLocaleTimeString()}</time>
      </span>
      <span className="text">{textOf(payload)}</span>
    </li>
  );
}

export function Chat({ token, onSignOut }) {
  const me = userOf(token);
  const { status, joined, broker, messages, error, publish } = useRoom(topic, token);
  const [text, setText] = useState('');
  const listEnd = useRef(null);

  useEffect(() => {
    listEnd.current?.scrollIntoView({ block: 'nearest' });
  }, [messages]);

  const send = (event) => {
    event.preventDefault();
    publish({ text, user: me, timestamp: new Date() });
    setText('');
  };

  return (
    <main className="card chat">
      <header>
        <h1>{topic}</h1>
        <span className={`status ${status}`} role="status">
          Status: {status}
          {status === 'connected' && broker?.isConnected === false && ', broker away'}
        </span>
        <button className="quiet" onClick={onSignOut}>
          Leave
        </button>
      </header>
      {error && <p role="alert">{error}</p>}
      <ol aria-label="Messages" aria-live="polite">
        {messages.map((message) => (
          <Message key={message.id} message={message} me={me} />
        ))}
        <li className="end" ref={listEnd} aria-hidden="true" />
      </ol>
      <form onSubmit={send}>
        <input
          aria-label="Message"
          placeholder={joined ? `Say something as ${me}` : 'Joining…'}
          autoComplete="off"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        <button disabled={!joined || !text}>Send</button>
      </form>
    </main>
  );
}
