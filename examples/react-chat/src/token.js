import { useState } from 'react';

/** The token lives in localStorage under `token`, where an application that signs its users in would put it. */
export function useToken() {
  const [token, setToken] = useState(() => localStorage.getItem('token'));
  const store = (next) => {
    if (next) localStorage.setItem('token', next);
    else localStorage.removeItem('token');
    setToken(next);
  };
  return [token, store];
}

/** Who the token says we are. Only to show a name: whether the token is good is the gateway's to judge. */
export function userOf(token) {
  try {
    const base64 = token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes)).sub ?? 'somebody';
  } catch {
    return 'somebody';
  }
}
