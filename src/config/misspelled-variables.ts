import { variableNames } from "../config.js";

/**
 * Finds variables that Latchkey does not read, but whose names nearly match one that it does: an operator who sets one
 * believes that it has an effect.
 * @returns a line for each, without its value
 */
export function doubtfulVariables(env: NodeJS.ProcessEnv): string[] {
  const ours = variableNames();
  return Object.keys(env)
    .filter((name) => env[name] !== "" && !ours.has(name))
    .flatMap((name) => {
      const meant = [...ours].find((known) => isNearly(name, known));
      if (meant === undefined) return [];
      return `${name} is set, but Latchkey does not read it: did you mean ${meant}?`;
    });
}

/** Short names are within an edit or two of other programs' variables, so only case and a final S are compared there. */
function isNearly(name: string, known: string): boolean {
  const [letters = "", wanted = ""] = [name, known].map((each) =>
    each.toUpperCase().replace(/[^A-Z0-9]/g, ""),
  );
  if (letters === wanted || letters === `${wanted}S` || `${letters}S` === wanted) return true;
  const edits = known.length < 8 ? 0 : known.length < 10 ? 1 : 2;
  return Math.abs(letters.length - wanted.length) <= edits && editDistance(letters, wanted) <= edits;
}

/** The Damerau–Levenshtein distance (optimal string alignment). */
function editDistance(from: string, to: string): number {
  const rows: number[][] = [Array.from({ length: to.length + 1 }, (_, column) => column)];
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = rows[i - 1]![j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1);
      row[j] = Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, replaced);
      const swapped = from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      if (i > 1 && j > 1 && swapped) row[j] = Math.min(row[j]!, rows[i - 2]![j - 2]! + 1);
    }
    rows.push(row);
  }
  return rows[from.length]![to.length]!;
}
