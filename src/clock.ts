import { V7Generator } from "uuidv7";

/** Where the time comes from: the system's, or one that a test sets. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
}

export const systemClock: Clock = { now: Date.now };

/** Makes an id: a UUIDv7 (RFC 9562) of the clock's time, in growing order within this process. */
export type NewId = () => string;

export function idsFrom(clock: Clock): NewId {
  const generator = new V7Generator();
  return () => generator.generateOrResetWithTs(clock.now()).toString();
}
