import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// Port 5173 is among the origins that the gateway lets in by default.
export default defineConfig({ base: './', plugins: [react()], server: { port: 5173, strictPort: true } });
