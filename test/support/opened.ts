type Close = () => unknown;

/** What is open, in the order of opening. */
const opened = new Set<Close>();

/**
 * Closes something when the test file ends, so that a test that fails before it closes it does not keep Jest running.
 * @returns a function to call once it is closed
 */
export function closeWithFile(close: Close): () => void {
  opened.add(close);
  return () => void opened.delete(close);
}

/** Closes what is still open, the latest first. */
export async function closeOpened(): Promise<void> {
  const failures: unknown[] = [];
  for (const close of [...opened].reverse()) {
    try {
      await close();
    } catch (error) {
      failures.push(error);
    }
  }
  opened.clear();
  if (failures.length > 0) throw failures[0];
}
