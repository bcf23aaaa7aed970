#!/usr/bin/env node
import { requireSupportedNode } from "./node-version.js";

requireSupportedNode();
await import("./cli/program.js");
