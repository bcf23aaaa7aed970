import { once } from "node:events";

/** As the Chrome DevTools protocol describes it: https://chromedevtools.github.io/devtools-protocol/v8/Profiler/ */
export interface Profile {
  nodes: {
    id: number;
    callFrame: { functionName: string; url: string };
    children?: number[];
  }[];
  /** The id of the node that each sample was taken in, and the microseconds since the one before. */
  samples: number[];
  timeDeltas: number[];
}

/** Microseconds between two samples. */
const INTERVAL = 200;

/** Profiles the main thread of a process that was started with `--inspect=127.0.0.1:PORT`, during `work`. */
export async function profileDuring(port: number, work: () => Promise<unknown>): Promise<Profile> {
  const targets = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as {
    webSocketDebuggerUrl: string;
  }[];
  const socket = new WebSocket(targets[0]!.webSocketDebuggerUrl);
  await once(socket, "open");
  let calls = 0;
  const call = async (method: string, params = {}) => {
    const id = ++calls;
    socket.send(JSON.stringify({ id, method, params }));
    for (;;) {
      const [event] = (await once(socket, "message")) as [MessageEvent<string>];
      const message = JSON.parse(event.data) as { id?: number; result?: object };
      if (message.id === id) return message.result;
    }
  };
  await call("Profiler.enable");
  await call("Profiler.setSamplingInterval", { interval: INTERVAL });
  await call("Profiler.start");
  await work();
  const { profile } = (await call("Profiler.stop")) as { profile: Profile };
  socket.close();
  return profile;
}
