import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react()],
  server: {
    port: 5173,
    strictPort: true, // the gateway lets in one origin, and the port is part of it
    fs: { allow: ["../.."] }, // spoke.js lies beside the gateway
  },
});
