import { ApolloProvider } from "@apollo/client/react";
import { LatchkeyProvider } from "@latchkey/client/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app.tsx";
import { StepUp } from "./components/step-up.tsx";
import { apollo, latchkey } from "./latchkey.ts";
import "./styles.css";

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <LatchkeyProvider client={latchkey}>
      <ApolloProvider client={apollo}>
        <App />
        <StepUp />
      </ApolloProvider>
    </LatchkeyProvider>
  </StrictMode>,
);
