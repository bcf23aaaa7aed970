// Runs in a worker thread, where blocking harms nobody. Only erasable TypeScript here: the tests have Node
// load this file as it is.
import bcrypt from "bcrypt";

export function hash({ password, cost }: { password: string; cost: number }): string {
  return bcrypt.hashSync(password, cost);
}

/**
 * Compares, and when the hash is cheaper than `cost` does the missing rounds too: a wrong password takes
 * the same work whatever the hash was made with. (2^n = 2^c + 2^c + 2^(c+1) + … + 2^(n-1).)
 */
export function verify({ password, hash, cost }: { password: string; hash: string; cost: number }): boolean {
  const right = bcrypt.compareSync(password, hash);
  if (!right) {
    for (let done = Number(hash.slice(4, 6)); done < cost; done++) {
      bcrypt.compareSync(password, `$2b$${String(done).padStart(2, "0")}${hash.slice(6)}`);
    }
  }
  return right;
}
