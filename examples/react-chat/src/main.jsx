import { createRoot } from 'react-dom/client';
import { Chat } from './chat.jsx';
import { SignIn } from './sign_in.jsx';
import { useToken } from './token.js';
import './style.css';

function App() {
  const [token, setToken] = useToken();
  if (!token) return <SignIn onToken={setToken} />;
  return <Chat key={token} token={token} onSignOut={() => setToken(null)} />;
}

createRoot(document.getElementById('root')).render(<App />);
