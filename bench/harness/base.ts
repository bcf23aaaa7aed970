import { execFileSync } from "node:child_process";
import { existsSync, symlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Scope } from "./scope.ts";

/** Builds a commit in a worktree of its own. @returns its `dist` */
export function buildCommit(scope: Scope, commit: string): string {
  const worktree = join(scope.directory(), "base");
  const git = (...args: string[]) => execFileSync("git", args, { stdio: ["ignore", "ignore", "pipe"] });
  git("worktree", "add", "--detach", worktree, commit);
  scope.onClose(() => git("worktree", "remove", "--force", worktree));
  const modules = resolve("node_modules");
  if (existsSync(modules) && sameDependencies(commit)) symlinkSync(modules, join(worktree, "node_modules"));
  else execFileSync("npm", ["ci"], { cwd: worktree, stdio: "ignore" });
  execFileSync("npm", ["run", "--silent", "build"], {
    cwd: worktree,
    stdio: ["ignore", "inherit", "inherit"],
  });
  return join(worktree, "dist");
}

function sameDependencies(commit: string): boolean {
  try {
    execFileSync("git", ["diff", "--quiet", commit, "--", "package-lock.json"]);
    return true;
  } catch {
    return false;
  }
}
