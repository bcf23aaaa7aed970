// Runs in a worker thread, which may block. Only erasable TypeScript here: in tests Node loads this file as it is.
import type { ZxcvbnFactory } from "@zxcvbn-ts/core";
import type Bcrypt from "bcrypt";

// bcrypt is loaded by the first task, not with the thread: ending a thread while it loads native code crashes the
// process.
const loadBcrypt = async () => (await import("bcrypt")).default;

let zxcvbn: Promise<ZxcvbnFactory> | undefined;

/** Without these a crafted password keeps zxcvbn busy for 2 s; with them it takes less than bcrypt at cost 12. */
const WORK_LIMITS = { maxLength: 72, l33tMaxSubstitutions: 10 };

/** The result of a task, and how many milliseconds it took. */
export interface Timed<T> {
  duration: number;
  result: T;
}

function timed<Task, T>(run: (bcrypt: typeof Bcrypt, task: Task) => T): (task: Task) => Promise<Timed<T>> {
  return async (task) => {
    const bcrypt = await loadBcrypt();
    const startedAt = performance.now();
    const result = run(bcrypt, task);
    return { duration: performance.now() - startedAt, result };
  };
}

export const hash = timed((bcrypt, { password, cost }: { password: string; cost: number }) =>
  bcrypt.hashSync(password, cost),
);

/**
 * Compares, and for a hash cheaper than `cost` does the missing rounds too: a wrong password takes the same work
 * whatever the cost of the hash. (2^n = 2^c + 2^c + 2^(c+1) + … + 2^(n-1).)
 */
export const verify = timed(
  (bcrypt, { password, hash, cost }: { password: string; hash: string; cost: number }) => {
    const right = bcrypt.compareSync(password, hash);
    if (!right) {
      for (let done = Number(hash.slice(4, 6)); done < cost; done++) {
        bcrypt.compareSync(password, `$2b$${String(done).padStart(2, "0")}${hash.slice(6)}`);
      }
    }
    return right;
  },
);

/** Estimates by zxcvbn. @param context words that an attacker would try first: the user's names, the service's */
export async function estimate({ password, context }: { password: string; context: string[] }) {
  zxcvbn ??= loadZxcvbn();
  const { score, feedback } = (await zxcvbn).check(password, context);
  return { score, warning: feedback.warning ?? null, suggestions: feedback.suggestions };
}

/** The word lists are large: they are loaded when the first password is set. */
async function loadZxcvbn(): Promise<ZxcvbnFactory> {
  const { ZxcvbnFactory } = await import("@zxcvbn-ts/core");
  const { adjacencyGraphs, dictionary: common } = await import("@zxcvbn-ts/language-common");
  const { dictionary: english, translations } = await import("@zxcvbn-ts/language-en");
  const dictionary = { ...common, ...english };
  return new ZxcvbnFactory({ dictionary, graphs: adjacencyGraphs, translations, ...WORK_LIMITS });
}
