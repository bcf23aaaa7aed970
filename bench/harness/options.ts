import { parseArgs } from "node:util";

export interface Options {
  only: string[];
  rounds: number;
  seconds: number;
  base: string | undefined;
  large: boolean;
}

/** Reads the arguments of `bench:compare`. @throws when one is unknown or not valid */
export function readOptions(rows: string[]): Options {
  const { values } = parseArgs({
    options: {
      only: { type: "string", default: rows.join(",") },
      rounds: { type: "string", default: "5" },
      seconds: { type: "string", default: "8" },
      base: { type: "string" },
      large: { type: "boolean", default: false },
    },
  });
  const only = values.only.split(",");
  const unknown = only.filter((name) => !rows.includes(name));
  if (unknown.length > 0) throw new Error(`--only ${unknown.join(",")}: the rows are ${rows.join(", ")}`);
  return {
    only,
    rounds: positive("--rounds", values.rounds),
    seconds: positive("--seconds", values.seconds),
    base: values.base,
    large: values.large,
  };
}

function positive(name: string, text: string): number {
  // An access token has to last for a turn.
  if (!/^[1-9]\d{0,2}$/.test(text) || Number(text) > 600) throw new Error(`${name} must be 1 to 600`);
  return Number(text);
}
