import { V7Generator } from "uuidv7";

/** Durations, in milliseconds. */
export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** The source of time: the system's clock, or a frozen one in tests. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
}

/**
 * How far the clocks of two processes on one database may differ, in milliseconds. A time that one process stores and
 * another compares is correct within this tolerance.
 */
export const CLOCK_TOLERANCE = 5 * SECOND;

export const systemClock: Clock = { now: Date.now };

/** Returns a new id: a UUIDv7 (RFC 9562) of the clock's time, increasing within a process. */
export type NewId = () => string;

export function idsFrom(clock: Clock): NewId {
  const generator = new V7Generator();
  return () => generator.generateOrResetWithTs(clock.now()).toString();
}

/** Returns the smallest possible id of a time in epoch milliseconds: greater than every id from before. */
export function firstIdOf(time: number): string {
  const hex = time.toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
}
