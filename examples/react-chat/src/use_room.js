import { useCallback, useEffect, useRef, useState } from 'react';
import { io } from 'socket.io-client';

/** `?url=…` in the address, then VITE_GATEWAY_URL at build time, then what `scripts/run` serves. */
const gatewayUrl =
  new URLSearchParams(location.search).get('url') ?? import.meta.env.VITE_GATEWAY_URL ?? 'http://localhost:3001/mqtt';

const messagesMax = 500;

/** Joins a chat room, which is an MQTT topic: its messages, the state of the connection, and how to say something. */
export function useRoom(topic, token) {
  const socketRef = useRef(null);
  const [status, setStatus] = useState('connecting');
  const [joined, setJoined] = useState(false);
  const [broker, setBroker] = useState(null);
  const [messages, setMessages] = useState([]);
  const [error, setError] = useState(null);

  useEffect(() => {
    // forceNew: a socket of our own, so that closing it when the page lets go of the room ends the connection too.
    const socket = io(gatewayUrl, { auth: { token }, forceNew: true });
    socketRef.current = socket;
    let count = 0;

    socket.on('connect', () => {
      setStatus('connected');
      setError(null);
      socket.emit('mqtt:subscribe', { topic, qos: 1 });
    });
    socket.on('disconnect', (reason) => {
      setStatus('disconnected');
      setJoined(false);
      if (reason === 'io server disconnect') setError('The gateway has ended the connection.');
    });
    socket.on('connect_error', (refusal) => {
      // The client tries again by itself after a network error, but not after a refusal.
      setStatus(socket.active ? 'connecting' : 'refused');
      setError(refusal.message);
    });
    socket.on('mqtt:status', (state) => setBroker(state));
    socket.on('mqtt:subscribe:success', () => setJoined(true));
    socket.on('mqtt:message', (message) => {
      setMessages((earlier) => [...earlier, { id: ++count, ...message }].slice(-messagesMax));
    });
    for (const event of ['mqtt:subscribe:error', 'mqtt:publish:error', 'mqtt:error', 'mqtt:auth:error']) {
      socket.on(event, (problem) => setError(problem.error));
    }
    socket.on('mqtt:auth:expired', () => setError('The token has expired.'));

    return () => socket.close();
  }, [topic, token]);

  const publish = useCallback(
    (payload) => {
      setError(null);
      socketRef.current?.emit('mqtt:publish', { topic, payload, qos: 1 });
    },
    [topic],
  );

  return { status, joined, broker, messages, error, publish };
}
