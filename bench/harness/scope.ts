import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const open = new Set<Scope>();

/** A process that is just ending may still write there: it is tried again for a while. */
export function removeDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}

/** Everything that was started and must be stopped, in the reverse order. */
export class Scope {
  readonly #cleanups: (() => unknown)[] = [];

  constructor() {
    open.add(this);
  }

  onClose(cleanup: () => unknown): void {
    this.#cleanups.push(cleanup);
  }

  /** A temporary directory that is removed with the scope. */
  directory(): string {
    const directory = mkdtempSync(join(tmpdir(), "latchkey-bench-"));
    this.onClose(() => removeDirectory(directory));
    return directory;
  }

  /** Begins to stop everything without waiting. */
  closeNow(): void {
    for (const cleanup of this.#cleanups.splice(0).reverse()) cleanup();
  }

  async close(): Promise<void> {
    for (let cleanup = this.#cleanups.pop(); cleanup !== undefined; cleanup = this.#cleanups.pop()) {
      try {
        await cleanup();
      } catch (error) {
        console.error(error);
      }
    }
    open.delete(this);
  }
}

process.on("exit", () => {
  for (const scope of open) scope.closeNow();
});

/** Runs `work` and stops what it started, also when it fails. */
export async function withScope<T>(work: (scope: Scope) => Promise<T>): Promise<T> {
  const scope = new Scope();
  try {
    return await work(scope);
  } finally {
    await scope.close();
  }
}

/** Stops everything on Ctrl-C too. */
export function closeOnSignal(): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, async () => {
      for (const scope of [...open].reverse()) await scope.close();
      process.exit(130);
    });
  }
}
