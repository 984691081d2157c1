import { useState } from 'react';

export function SignIn({ onToken }) {
  const [text, setText] = useState('');
  const submit = (event) => {
    event.preventDefault();
    if (text.trim()) onToken(text.trim());
  };
  return (
    <main className="card sign-in">
      <h1>Who are you?</h1>
      <p>
        Paste a token. For the server that <code>scripts/run</code> starts, this prints one for alice:
      </p>
      <pre>build/run/famemely-mqtt token --dev --sub alice</pre>
      <form onSubmit={submit}>
        <input
          aria-label="Token"
          placeholder="eyJhbGciOi…"
          autoComplete="off"
          spellCheck="false"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        <button disabled={!text.trim()}>Enter</button>
      </form>
    </main>
  );
}
