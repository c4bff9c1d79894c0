// Reads what the pages need from the source text of src/: the events' fields with their comments, and the errors.
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

const src = path.join(import.meta.dirname, "..", "..", "src");

export interface Field {
  name: string;
  /** The type, on one line. */
  type: string;
  /** The doc comment; empty without one. */
  about: string;
}

export interface Described extends Field {
  fields: Field[];
}

const COMMENT = String.raw`(?:\/\*\*([^]*?)\*\/\s*)?`;
const text = (comment = "") =>
  comment
    .replaceAll(/^\s*\* ?/gm, " ")
    .replaceAll(/\s+/g, " ")
    .trim();
const oneLine = (type: string) =>
  type
    .replaceAll(/\/\*\*[^]*?\*\//g, "")
    .replaceAll(/\s+/g, " ")
    .trim();

/** The members of an interface of src/events, with the fields of those whose type is written out. */
export function interfaceIn(file: string, name: string): Described[] {
  const body = bodyOf(readFileSync(path.join(src, "events", file), "utf8"), name);
  return members(body, "  ").map(member => ({ ...member, fields: fieldsOf(member.type, file) }));
}

function bodyOf(source: string, name: string): string {
  const body = new RegExp(String.raw`interface ${name} \{\n([^]*?)\n\}`).exec(source)?.[1];
  if (body === undefined) throw new Error(`no interface ${name}`);
  return body;
}

/** @param indent of the members: what is indented further belongs to a member */
function members(body: string, indent: string): Field[] {
  const pattern = new RegExp(
    `^${indent}${COMMENT}"?([\\w-]+)"?\\??: ([^]*?);$(?=\\n${indent}[^\\s}]|\\n*$(?![^]))`,
    "gm",
  );
  return [...body.matchAll(pattern)].map(([, comment, name = "", type = ""]) => ({
    name,
    type,
    about: text(comment),
  }));
}

function fieldsOf(type: string, file: string): Field[] {
  const [base, more] = type.split(" & ");
  const named = /^[A-Z]\w+$/.exec(base ?? "")?.[0];
  const source = readFileSync(path.join(src, "events", file), "utf8");
  const own = named
    ? members(bodyOf(source, named), "  ")
    : type.startsWith("{\n")
      ? members(type.slice(2, type.lastIndexOf("\n")), "    ")
      : inline(type);
  const all = [...own, ...(named && more ? inline(more) : [])];
  // `parsed` stays out of JSON lines.
  return all.filter(({ name }) => name !== "parsed").map(shortened);
}

const inline = (type: string): Field[] =>
  type
    .replace(/^\{ /, "")
    .replace(/ \}$/, "")
    .split("; ")
    .filter(Boolean)
    .map(field => /^(\w+)\??: ([^]*)$/.exec(field))
    .map(match => ({ name: match?.[1] ?? "", type: match?.[2] ?? "", about: "" }));

/** A type that fields of events refer to. One of `fields` and `values` is empty. */
export interface NamedType {
  name: string;
  about: string;
  fields: Field[];
  /** The members of a union. */
  values: Omit<Field, "name">[];
}

/** Returns the exported types that these fields refer to, and those that their own fields refer to, by name. */
export function typesOf(fields: Field[]): NamedType[] {
  const sources = [
    ...readdirSync(path.join(src, "events")).map(file => `events/${file}`),
    "protocol/types.ts",
  ];
  const all = sources.flatMap(file => declaredIn(readFileSync(path.join(src, file), "utf8")));
  const found = new Set<NamedType>();
  const visit = (types: string[]) => {
    for (const type of all)
      if (!found.has(type) && types.some(each => new RegExp(String.raw`\b${type.name}\b`).test(each))) {
        found.add(type);
        visit([...type.fields, ...type.values].map(each => each.type));
      }
  };
  visit(fields.map(field => field.type));
  return [...found].toSorted((a, b) => a.name.localeCompare(b.name));
}

function declaredIn(source: string): NamedType[] {
  const declaration = new RegExp(
    String.raw`(?:\/\*\*((?:(?!\*\/)[^])*)\*\/\s*)?^export (interface|type) (\w+)(?: =)?([^]*?)(?:^\}|;$(?!\n[ }]))`,
    "gm",
  );
  return [...source.matchAll(declaration)].map(([, comment, kind, name = "", body = ""]) => {
    const fields =
      kind === "interface" ? members(body.slice(body.indexOf("\n") + 1).trimEnd(), "  ").map(shortened) : [];
    return { name, about: text(comment), fields, values: kind === "type" ? valuesIn(body) : [] };
  });
}

const shortened = (field: Field): Field => ({ ...field, type: oneLine(field.type) });

/** The members of a union, each with the comment before it. */
const valuesIn = (body: string) =>
  [...body.matchAll(/(?:\/\*\*([^]*?)\*\/\s*)?(?:\||^ ) ?((?:\{[^}]*\}|[^|{}/])+)/g)].map(
    ([, comment, type = ""]) => ({ type: oneLine(type), about: text(comment) }),
  );

export interface Problem {
  code: string;
  /** With … for what differs from case to case. */
  message: string;
  hint: string;
  isUsage: boolean;
}

const INSERTION = /\$\{(?:[^{}`]|`(?:[^`$]|\$\{[^{}]*\})*`|\{[^{}]*\})*\}/;
const LITERAL = new RegExp(
  String.raw`"(?:[^"\\]|\\.)*"|\`(?:[^\`\\$]|\\.|\$(?!\{)|${INSERTION.source})*\``,
  "g",
);

/** Returns each error and warning of src/ whose code, message and hint are written beside each other. */
export function problems(): Problem[] {
  const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter(file => file.endsWith(".ts"));
  const found = files.toSorted().flatMap(file => problemsIn(readFileSync(path.join(src, file), "utf8")));
  const unique = new Map(found.map(problem => [`${problem.code} ${problem.message}`, problem]));
  return [...unique.values()].toSorted((a, b) => a.code.localeCompare(b.code));
}

function problemsIn(source: string): Problem[] {
  const calls = [...source.matchAll(/\b(new UserError|usageError)\(\s*"([a-z0-9-]+)",/g)].map(match => {
    const [message = "", hint = ""] = argumentsIn(enclosed(source, match.index + match[0].length, "(", ")"));
    return {
      code: match[2] ?? "",
      message: literalsIn(message)[0] ?? "…",
      hint: literalsIn(hint)[0] ?? "",
      isUsage: match[1] === "usageError",
    };
  });
  const objects = [...source.matchAll(/\bcode: "([a-z0-9-]+)"/g)].map(match => {
    const body = enclosed(source, source.lastIndexOf("{", match.index) + 1, "{", "}");
    const [message] = ["message", "sentence", "reason"].flatMap(key => valueOf(body, key));
    // As in `...untrusted("it has expired"), code: …`.
    const reason = /\.\.\.\w+\("([^"]*)"\)/.exec(body)?.[1];
    const [hint = ""] = valueOf(body, "hint");
    return {
      code: match[1] ?? "",
      message: message ?? reason ?? (/\bmessage,/.test(body) ? "…" : undefined),
      hint,
      isUsage: false,
    };
  });
  return [...calls, ...objects].flatMap(({ message, ...others }) =>
    message === undefined ? [] : [{ ...others, message }],
  );
}

/** Returns the source from there to the bracket that closes it. */
function enclosed(source: string, from: number, open: string, close: string): string {
  let depth = 1;
  for (let at = from; at < source.length; at++) {
    if (source[at] === open) depth += 1;
    if (source[at] === close) depth -= 1;
    if (depth === 0) return source.slice(from, at);
  }
  return source.slice(from);
}

/** Splits arguments at the commas between them. */
function argumentsIn(source: string): string[] {
  const masked = source.replaceAll(LITERAL, literal => "_".repeat(literal.length));
  let depth = 0;
  const ends = Array.from(masked).flatMap((character, at) => {
    if ("([{".includes(character)) depth += 1;
    if (")]}".includes(character)) depth -= 1;
    return character === "," && depth === 0 ? [at] : [];
  });
  return [0, ...ends].map((start, i) => source.slice(start, ends[i] ?? source.length));
}

/** The first literal in the value of that key, which ends at the next key. */
const valueOf = (body: string, key: string): string[] =>
  literalsIn(new RegExp(String.raw`\b${key}:([^]*?)(?:,\n\s*\w+[:,]|$(?![^]))`).exec(body)?.[1] ?? "").slice(
    0,
    1,
  );

const literalsIn = (source: string): string[] => (source.match(LITERAL) ?? []).map(plain);

const plain = (literal: string) =>
  literal
    .slice(1, -1)
    .replaceAll(new RegExp(`(?:${INSERTION.source})+`, "g"), "…")
    .replaceAll(/\\(.)/g, "$1");
