import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { buildSchema, isScalarType, isSpecifiedScalarType } from "graphql";
import { ConfigError, loadConfig, variableNames } from "../src/config.js";
import { ERROR_CODES, UNAUTHENTICATED_REASONS } from "../src/errors.js";
import { httpHeadOf } from "../src/graphql/format-error.js";

const FILES = [
  "README.md",
  "CHANGELOG.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  "examples/notes/README.md",
  ...readdirSync("docs")
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

/** The lines of a Markdown file, without its blocks of code. */
function linesOf(file: string): string[] {
  let inCode = false;
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => {
      const isFence = line.trimStart().startsWith("```");
      if (isFence) inCode = !inCode;
      return !inCode && !isFence;
    });
}

/** The anchors that GitHub generates for a file's headings. */
function anchorsOf(file: string): string[] {
  return linesOf(file)
    .filter((line) => /^#+ /.test(line))
    .map((line) =>
      line
        .replace(/^#+ /, "")
        .toLowerCase()
        .replace(/[^\p{L}\p{N}_ -]/gu, "")
        .replaceAll(" ", "-"),
    );
}

/** The links within the repository: each target's file, and its anchor if it names one. */
function linksOf(file: string): { target: string; anchor: string | undefined }[] {
  const text = linesOf(file).join("\n");
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, link]) => link!)
    .filter((link) => !/^[a-z]+:/.test(link))
    .map((link) => {
      const [path = "", anchor] = link.split("#");
      return { target: path === "" ? file : join(dirname(file), path), anchor };
    });
}

/** The rows of all tables whose first column has this heading, cell by cell. */
function rowsOf(file: string, heading: string): string[][] {
  const rows: string[][] = [];
  let inTable = false;
  for (const line of linesOf(file)) {
    const cells = line.startsWith("|") ? line.split("|").slice(1, -1) : undefined;
    const [first] = cells ?? [];
    if (cells === undefined) inTable = false;
    else if (first!.trim() === heading) inTable = true;
    else if (inTable && !/^[ -]+$/.test(first!)) rows.push(cells.map((cell) => cell.trim()));
  }
  return rows;
}

/** The code spans in a Markdown text. */
function codeIn(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, code]) => code!);
}

/** Whether a Markdown text is a list of code spans and nothing else. */
function isListOfCode(text: string): boolean {
  return /^`[^`]+`(, `[^`]+`)+$/.test(text);
}

describe("the documentation", () => {
  test.each(FILES)("%s links to files and headings that exist", (file) => {
    const broken = linksOf(file).filter(
      ({ target, anchor }) =>
        !existsSync(target) || (anchor !== undefined && !anchorsOf(target).includes(anchor)),
    );
    expect(broken).toEqual([]);
  });

  test.each(FILES)("%s names only files of src and test that exist", (file) => {
    const paths = codeIn(linesOf(file).join("\n")).filter((code) => /^(src|test)\/[a-z./-]+$/.test(code));
    expect(paths.filter((path) => !existsSync(path))).toEqual([]);
  });

  test("the README links to every guide", () => {
    const linked = linksOf("README.md").map(({ target }) => relative(".", target));
    expect(FILES.filter((file) => file !== "README.md" && !linked.includes(file))).toEqual([]);
  });

  test("the README stays short", () => {
    const lines = readFileSync("README.md", "utf8").trimEnd().split("\n");
    expect(lines.length).toBeLessThanOrEqual(150);
    expect(lines.filter((line) => line.length > 160)).toEqual([]);
  });
});

describe("the container", () => {
  const dockerfile = readFileSync("Dockerfile", "utf8");
  const [build = "", image = ""] = dockerfile.split(/^FROM /m).slice(1);
  const compose = readFileSync("compose.yaml", "utf8");

  test("is built and started with the commands of the guide", () => {
    const commands = [...build.matchAll(/^RUN (.+)$/gm)].map(([, command]) => command!);
    const [, start] = /^CMD (\[.+\])$/m.exec(image)!;
    const guide = readFileSync("docs/operations.md", "utf8").split("## Running in production")[1]!;
    const [, listed] = /```sh\n([^`]+)```/.exec(guide)!;
    const serve = `NODE_ENV=production ${(JSON.parse(start!) as string[]).join(" ")}`;
    expect([...commands, serve]).toEqual(listed!.trim().split("\n"));
    expect(image).toMatch(/^ENV NODE_ENV=production /m);
  });

  test("has a configuration that starts, and variables that exist", () => {
    const service = compose.slice(0, compose.indexOf("  postgres:"));
    const pairs = [...service.matchAll(/^ {6}([A-Z_]+): (.+)$/gm)].map(([, name, value]) => [name!, value!]);
    const [, host] = /HOST=(\S+)/.exec(dockerfile)!;
    const env = {
      ...Object.fromEntries(pairs),
      SECRET_KEY: "x".repeat(32),
      NODE_ENV: "production",
      HOST: host,
    };
    expect(Object.keys(env).filter((name) => !variableNames().has(name))).toEqual([]);
    expect(loadConfig(env)).toMatchObject({ production: true, host: "0.0.0.0", openRegistration: true });
  });
});

describe("the table of variables", () => {
  const rows = rowsOf("docs/configuration.md", "Variable").map(([variable, defaults, values]) => ({
    name: codeIn(variable!)[0]!,
    defaults: defaults!,
    values: values!,
  }));
  const names = rows.map(({ name }) => name);
  const required = {
    NODE_ENV: "production",
    SECRET_KEY: "0123456789abcdef0123456789abcdef",
    PUBLIC_URL: "https://auth.example.com",
  };
  /** For each variable without a default, at least one of these values is valid. */
  const samples = [
    "x".repeat(32),
    "https://app.example.com",
    "10.0.0.1",
    "smtp://smtp.example.com",
    "test/support/claims.json",
  ];

  /** Returns why the configuration is rejected; undefined if it is accepted. */
  function problemOf(env: NodeJS.ProcessEnv): string | undefined {
    try {
      loadConfig(env);
      return undefined;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      return error.message;
    }
  }

  /** The values in the configuration that setting the variable changes. */
  function unsetValueOf(name: string, env: NodeJS.ProcessEnv): unknown {
    const unset = Object.entries(loadConfig(env));
    const value = samples.find((sample) => problemOf({ ...env, [name]: sample }) === undefined);
    if (value === undefined) throw new Error(`no sample is valid for ${name}`);
    const set = loadConfig({ ...env, [name]: value }) as unknown as Record<string, unknown>;
    return unset.find(([key, before]) => JSON.stringify(before) !== JSON.stringify(set[key]))?.[1];
  }

  test("lists every variable that is read exactly once, and no other", () => {
    expect([...names].sort()).toEqual([...variableNames()].sort());
  });

  test.each(rows)("states the default of $name", ({ name, defaults }) => {
    const [development, production = development] = defaults.split("; production: ");
    const environments = [
      { env: {}, text: development! },
      // A variable that production requires has no default in production.
      ...(name in required ? [] : [{ env: required, text: production! }]),
    ];
    for (const { env, text } of environments) {
      if (text === "none") {
        expect([undefined, []]).toContainEqual(unsetValueOf(name, { NODE_ENV: "development" }));
      } else {
        const value = text.replace(/^`(.*)`$/, "$1").replace("PORT", "4000");
        expect(loadConfig({ ...env, [name]: value })).toEqual(loadConfig(env));
      }
    }
  });

  test("lists the choices of each variable that has choices", () => {
    const choices = names.flatMap((name) => {
      const listed = / must be one of (.+)$/.exec(problemOf({ [name]: "no such choice" }) ?? "")?.[1];
      return listed === undefined ? [] : [[name, listed.split(", ")]];
    });
    expect(
      rows.filter(({ values }) => isListOfCode(values)).map(({ name, values }) => [name, codeIn(values)]),
    ).toEqual(choices);
  });

  test.each(rows.filter(({ defaults }) => /^`\d+`/.test(defaults)))(
    "states the bounds of $name",
    ({ name, values }) => {
      const [, alone, min, max] = /^(?:`?(\w+)`?, or )?(\d+) to (\d+)$/.exec(values) ?? [];
      const accepted = [Number(min) - 1, min, max, Number(max) + 1, alone ?? min].map(
        (value) => problemOf({ [name]: String(value) }) === undefined,
      );
      expect(accepted).toEqual([false, true, true, false, true]);
    },
  );
});

test("docs/api.md has the types of all custom scalars, as codegen.ts has them", () => {
  const scalarsOf = (file: string) => /\bscalars: \{([^}]*)\}/.exec(readFileSync(file, "utf8"))?.[1];
  const documented = scalarsOf("docs/api.md")!;
  expect(documented).toBe(scalarsOf("codegen.ts"));
  const custom = Object.values(buildSchema(readFileSync("schema.graphql", "utf8")).getTypeMap()).filter(
    (type) => isScalarType(type) && !isSpecifiedScalarType(type),
  );
  expect([...documented.matchAll(/(\w+):/g)].map(([, name]) => name).sort()).toEqual(
    custom.map(({ name }) => name).sort(),
  );
});

describe("the table of error codes", () => {
  const rows = rowsOf("docs/api.md", "Code").map(([code, status]) => ({ code: codeIn(code!)[0]!, status }));

  test("lists every code, in the order of the schema, and no other", () => {
    expect(rows.map(({ code }) => code)).toEqual(Object.keys(ERROR_CODES));
  });

  test("states the HTTP status of each code that has one", () => {
    const wrong = rows.filter(({ code, status }) => {
      const own = httpHeadOf([{ message: "", extensions: { code } }]).status;
      return own !== undefined && String(own) !== status;
    });
    expect(wrong).toEqual([]);
  });

  test("is followed by every reason of UNAUTHENTICATED", () => {
    const lines = linesOf("docs/api.md");
    const section = lines.slice(lines.indexOf("### Reasons of UNAUTHENTICATED") + 1);
    const end = section.findIndex((line) => line.startsWith("#"));
    const listed = section.slice(0, end).flatMap((line) => /^- `([A-Z_]+)`:/.exec(line)?.[1] ?? []);
    expect(listed).toEqual(Object.keys(UNAUTHENTICATED_REASONS));
  });
});
