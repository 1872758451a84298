import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { App } from "./App";
import "./app.css";

/** The gateway: `?gateway=` in the address, else VITE_GATEWAY at build time, else this machine. */
const gateway =
  new URLSearchParams(location.search).get("gateway") ??
  import.meta.env["VITE_GATEWAY"] ??
  "http://localhost:5000";

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <App gateway={gateway} />
  </StrictMode>,
);
