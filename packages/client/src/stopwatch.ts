/**
 * Measures milliseconds from now. A clock that is set back does not stop it, and a laptop that sleeps does not either:
 * in some browsers the monotonic clock sleeps too. A clock that is set forward makes it run ahead, which is harmless.
 */
export function stopwatch(): () => number {
  const monotonic = performance.now();
  const wall = Date.now();
  return () => Math.max(performance.now() - monotonic, Date.now() - wall);
}
