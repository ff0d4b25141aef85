// Checks proto-schemas/: each JSON Schema with its sample, the AsyncAPI and the OpenAPI document with their examples.
// node validate.mjs <path of proto-schemas>

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Parser } from "@asyncapi/parser";
import { Validator } from "@seriousme/openapi-schema-validator";
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

const root = process.argv[2] ?? "proto-schemas";
const problems = [];
const counts = { schemas: 0, samples: 0, examples: 0 };

const read = (path) => JSON.parse(readFileSync(join(root, path), "utf8"));
const problem = (where, what) => problems.push(`${where}: ${what}`);

/** A validator that takes no keyword and no format that it doesn't know. */
function ajv() {
  const ajv = new Ajv2020({ strict: true, strictTypes: false, strictRequired: false, allErrors: true });
  addFormats(ajv);
  // OpenAPI's hint for tools; what counts is `oneOf`.
  ajv.addKeyword("discriminator");
  return ajv;
}

function check(validate, value, where) {
  if (!validate(value)) {
    problem(where, validate.errors.map((error) => `${error.instancePath || "/"} ${error.message}`).join("; "));
  }
}

function checkJsonSchemas() {
  const sampleKinds = { commands: "command", queries: "query", replies: "reply", events: "event" };
  for (const [kind, sampleKind] of Object.entries(sampleKinds)) {
    for (const file of readdirSync(join(root, "json-schema", kind)).sort()) {
      const where = `json-schema/${kind}/${file}`;
      const sample = `samples/${sampleKind}.${file}`;
      try {
        check(ajv().compile(read(where)), read(sample), `${sample} against ${where}`);
        counts.schemas += 1;
        counts.samples += 1;
      } catch (error) {
        problem(where, error.message);
      }
    }
  }
}

/** Replaces the references within a document; none of them is recursive. */
function resolved(node, document) {
  if (Array.isArray(node)) return node.map((item) => resolved(item, document));
  if (node === null || typeof node !== "object") return node;
  if (typeof node.$ref === "string") {
    const path = node.$ref.replace(/^#\//, "").split("/").map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
    const target = path.reduce((parent, part) => parent?.[part], document);
    if (target === undefined) throw new Error(`${node.$ref} leads nowhere`);
    return resolved(target, document);
  }
  return Object.fromEntries(Object.entries(node).map(([name, value]) => [name, resolved(value, document)]));
}

async function checkAsyncApi() {
  const text = readFileSync(join(root, "asyncapi.json"), "utf8");
  const { document, diagnostics } = await new Parser().parse(text, { source: "asyncapi.json" });
  for (const { severity, code, message, path } of diagnostics) {
    const line = `${code} at ${path.join("/")}: ${message}`;
    if (severity === 0) problem("asyncapi.json", line);
    else if (severity === 1) console.log(`warning: asyncapi.json: ${line}`);
  }
  if (document === undefined) return problem("asyncapi.json", "can't be parsed");
  const source = JSON.parse(text);
  for (const [name, message] of Object.entries(source.components.messages)) {
    const [payload, headers] = [message.payload, message.headers ?? true].map((part) => ajv().compile(resolved(part, source)));
    for (const example of message.examples ?? []) {
      counts.examples += 1;
      check(payload, example.payload, `asyncapi.json: payload example of ${name}`);
      check(headers, example.headers ?? {}, `asyncapi.json: headers example of ${name}`);
    }
  }
}

/** Calls `visit` with every object that has a schema and examples, and with where it is. */
function withExamples(node, where, visit) {
  if (node === null || typeof node !== "object") return;
  if (node.schema !== undefined && (node.example !== undefined || node.examples !== undefined)) visit(node, where);
  for (const [name, value] of Object.entries(node)) {
    if (name !== "schema" && name !== "example" && name !== "examples") withExamples(value, `${where}/${name}`, visit);
  }
}

async function checkOpenApi() {
  const source = read("openapi.json");
  const { valid, errors } = await new Validator().validate(structuredClone(source));
  if (!valid) problem("openapi.json", JSON.stringify(errors));
  const document = resolved(source, source);
  const operations = Object.values(document.paths).flatMap((path) => Object.values(path));
  const ids = operations.map((operation) => operation.operationId);
  if (new Set(ids).size !== ids.length) problem("openapi.json", "two operations have one id");
  for (const [name, schema] of Object.entries(document.components.schemas)) {
    try {
      ajv().compile(schema);
    } catch (error) {
      problem(`openapi.json: schema ${name}`, error.message);
    }
  }
  withExamples({ paths: document.paths, components: document.components }, "openapi.json", (node, where) => {
    const validate = ajv().compile(node.schema);
    const named = Object.entries(node.examples ?? {}).map(([name, example]) => [name, example.value]);
    for (const [name, value] of node.example === undefined ? named : [["example", node.example]]) {
      counts.examples += 1;
      check(validate, value, `${where}: ${name}`);
    }
  });
}

/** The page's links lead to files that are there, and to headings of its own. */
function checkPage() {
  const page = readFileSync(join(root, "docs/index.html"), "utf8");
  const ids = new Set([...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id));
  for (const [, link] of page.matchAll(/(?:href|src)="([^"]+)"/g)) {
    if (link.startsWith("#")) {
      if (!ids.has(link.slice(1))) problem("docs/index.html", `no heading ${link}`);
      continue;
    }
    try {
      readFileSync(join(root, "docs", link));
    } catch {
      problem("docs/index.html", `${link} leads nowhere`);
    }
  }
}

checkJsonSchemas();
await checkAsyncApi();
await checkOpenApi();
checkPage();
for (const line of problems) console.error(`error: ${line}`);
console.log(`${counts.schemas} schemas, ${counts.samples} samples and ${counts.examples} examples; ${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;
