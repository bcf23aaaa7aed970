/** Checks passwords with bcrypt, and does nothing else. Usage: passwords.ts COST SECONDS. Prints a Sample as JSON. */
import bcrypt from "bcrypt";

const [cost, seconds] = process.argv.slice(2).map(Number);
const hash = bcrypt.hashSync("a password", cost!);
let count = 0;
const cpuBefore = process.cpuUsage();
const startedAt = performance.now();
while (performance.now() < startedAt + seconds! * 1000) {
  bcrypt.compareSync("a password", hash);
  count++;
}
const { user, system } = process.cpuUsage(cpuBefore);
const elapsed = (performance.now() - startedAt) / 1000;
console.log(JSON.stringify({ rate: count / elapsed, cpu: (user + system) / count }));
