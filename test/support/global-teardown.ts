export default async function globalTeardown(): Promise<void> {
  await (globalThis as unknown as { stopPostgres(): Promise<void> }).stopPostgres();
}
