import type { Standing } from "./load.ts";
import type { Scope } from "./scope.ts";

/** Names of contestants. */
export const LATCHKEY = "Latchkey";
export const BASE = "Latchkey at the base commit";

/** What a row of the comparison is run with. */
export interface Bench {
  scope: Scope;
  rounds: number;
  seconds: number;
  large: boolean;
  /** The build of the commit to compare with. */
  baseDist: string | undefined;
}

/** A figure that has a goal. */
export interface Finding {
  measure: string;
  value: number;
  /** "×" for a ratio. */
  unit: "×" | " ms" | " MB";
  goal: { least: number } | { most: number };
}

/** The outcome of a row. */
export interface Section {
  title: string;
  columns: string[];
  table: string[][];
  findings: Finding[];
  notes: string[];
}

/** A row's section when it could not be run. */
export function skipped(title: string, reason: string): Section {
  return { title, columns: [], table: [], findings: [], notes: [`Skipped: ${reason}`] };
}

/** The figures of each contestant, and how many times the rate of each the reference's rate is. */
export function standingsTable(
  standings: Standing[],
  reference: Standing,
): Pick<Section, "columns" | "table"> {
  return {
    columns: ["server", "per second", "slowest to fastest round", "CPU µs each", `${reference.name} is`],
    table: standings.map((standing) => [
      standing.name,
      figure(standing.rate),
      `${figure(standing.slowest)} to ${figure(standing.fastest)}`,
      standing.cpu.toFixed(0),
      `${(reference.rate / standing.rate).toFixed(2)}×`,
    ]),
  };
}

export function figure(rate: number): string {
  return rate < 100 ? rate.toFixed(1) : Math.round(rate).toLocaleString("en");
}

export function standingOf(standings: Standing[], name: string): Standing | undefined {
  return standings.find((standing) => standing.name === name);
}

/** The ratio of two contestants' rates; none when one of them did not run. */
export function compared(
  standings: Standing[],
  [name, other]: [string, string],
  { measure, least }: { measure: string; least: number },
): Finding[] {
  const [standing, against] = [standingOf(standings, name), standingOf(standings, other)];
  if (standing === undefined || against === undefined) return [];
  return [{ measure, value: standing.rate / against.rate, unit: "×", goal: { least } }];
}
