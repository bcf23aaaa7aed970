import { requireSupportedNode } from "./node-version.js";

requireSupportedNode();
await import("./serve.js");
