// Runs in a worker thread, where blocking harms nobody. Only erasable TypeScript here: the tests have Node
// load this file as it is.
//
// bcrypt is loaded by the first task and not with the thread: a thread that is ended while it loads native code
// takes the whole process along.
const loadBcrypt = async () => (await import("bcrypt")).default;

export async function hash({ password, cost }: { password: string; cost: number }): Promise<string> {
  const bcrypt = await loadBcrypt();
  return bcrypt.hashSync(password, cost);
}

/**
 * Compares, and when the hash is cheaper than `cost` does the missing rounds too: a wrong password takes
 * the same work whatever the hash was made with. (2^n = 2^c + 2^c + 2^(c+1) + … + 2^(n-1).)
 */
export async function verify({
  password,
  hash,
  cost,
}: {
  password: string;
  hash: string;
  cost: number;
}): Promise<boolean> {
  const bcrypt = await loadBcrypt();
  const right = bcrypt.compareSync(password, hash);
  if (!right) {
    for (let done = Number(hash.slice(4, 6)); done < cost; done++) {
      bcrypt.compareSync(password, `$2b$${String(done).padStart(2, "0")}${hash.slice(6)}`);
    }
  }
  return right;
}
