import { defineConfig } from "vite";

// Everything is a file of its own: the console's content security policy allows nothing inline.
export default defineConfig({
  build: { assetsInlineLimit: 0, modulePreload: { polyfill: false }, target: "es2022" },
  server: { proxy: { "/api": "http://127.0.0.1:8600" } },
});
