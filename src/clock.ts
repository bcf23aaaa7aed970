import { V7Generator } from "uuidv7";

/** Durations, in milliseconds. */
export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** Where the time comes from: the system's, or one that a test sets. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
}

/**
 * How far the clocks of two processes on one database may be apart, in milliseconds. Whatever one process wrote the
 * time of and another compares holds for any two clocks within it.
 */
export const CLOCK_TOLERANCE = 5 * SECOND;

export const systemClock: Clock = { now: Date.now };

/** Makes an id: a UUIDv7 (RFC 9562) of the clock's time, in growing order within this process. */
export type NewId = () => string;

export function idsFrom(clock: Clock): NewId {
  const generator = new V7Generator();
  return () => generator.generateOrResetWithTs(clock.now()).toString();
}

/** An id that is less than any that is made from this time on, in epoch milliseconds, and greater than those from before. */
export function firstIdOf(time: number): string {
  const hex = time.toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
}
