// Runs in a worker thread, where blocking harms nobody. Only erasable TypeScript here: the tests have Node
// load this file as it is.
import type { ZxcvbnFactory } from "@zxcvbn-ts/core";
import type Bcrypt from "bcrypt";

// bcrypt is loaded by the first task and not with the thread: a thread that is ended while it loads native code
// takes the whole process along.
const loadBcrypt = async () => (await import("bcrypt")).default;

let zxcvbn: Promise<ZxcvbnFactory> | undefined;

/** A password made for it takes zxcvbn 2 s otherwise, for which nobody pays: with these, less than a bcrypt of cost 12. */
const WORK_LIMITS = { maxLength: 72, l33tMaxSubstitutions: 10 };

/** What bcrypt returned, and how many milliseconds it took. */
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
 * Compares, and when the hash is cheaper than `cost` does the missing rounds too: a wrong password takes
 * the same work whatever the hash was made with. (2^n = 2^c + 2^c + 2^(c+1) + … + 2^(n-1).)
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

/** @param context words an attacker would try first: the user's names, the service's */
export async function estimate({ password, context }: { password: string; context: string[] }) {
  zxcvbn ??= loadZxcvbn();
  const { score, feedback } = (await zxcvbn).check(password, context);
  return { score, warning: feedback.warning ?? null, suggestions: feedback.suggestions };
}

/** Its word lists are large: they are read when the first password is set. */
async function loadZxcvbn(): Promise<ZxcvbnFactory> {
  const { ZxcvbnFactory } = await import("@zxcvbn-ts/core");
  const { adjacencyGraphs, dictionary: common } = await import("@zxcvbn-ts/language-common");
  const { dictionary: english, translations } = await import("@zxcvbn-ts/language-en");
  const dictionary = { ...common, ...english };
  return new ZxcvbnFactory({ dictionary, graphs: adjacencyGraphs, translations, ...WORK_LIMITS });
}
