/**
 * Questions about one file that only its syntax tree can answer.
 *
 * Promises: comments and strings never count; each answer names the things found, so that a failing check can say where.
 */

import { parseSync } from '@swc/core';

/** Any node of the tree: the walk below knows nothing more. */
type Node = { readonly type: string } & Readonly<Record<string, unknown>>;

/** One import or re-export of a module. */
export interface ImportRead {
  readonly specifier: string;
  /** Erased by the compiler: `import type`, `export type`, or a type of the form `import('…')`. */
  readonly typeOnly: boolean;
  /** `import()`: loaded when the line runs. */
  readonly dynamic: boolean;
}

/** Every way in which a file names another module. */
export function importsOf(text: string): ImportRead[] {
  return nodesOf(text).flatMap((node) => {
    switch (node.type) {
      case 'ImportDeclaration':
        return readImport(node.source, node.typeOnly === true);
      case 'ExportNamedDeclaration':
      case 'ExportAllDeclaration':
        return readImport(node.source, node.typeOnly === true);
      case 'TsImportType':
        return readImport(node.argument, true);
      case 'CallExpression':
        return isNode(node.callee) && node.callee.type === 'Import' ? readImport(firstArgument(node), false, true) : [];
      default:
        return [];
    }
  });
}

/** How many times the file says `any`. */
export function countAny(text: string): number {
  return nodesOf(text).filter((node) => node.type === 'TsKeywordType' && node.kind === 'any').length;
}

/** Does the file read the environment by itself? */
export function readsEnvironment(text: string): boolean {
  const member = nodesOf(text).some(
    (node) => node.type === 'MemberExpression' && nameOf(node.object) === 'process' && nameOf(node.property) === 'env',
  );
  return member || importsOf(text).some(({ specifier }) => /^(node:)?process$/.test(specifier));
}

const SLEEPS = new Set(['setTimeout', 'sleep', 'pause']);

/** Calls that wait for the clock instead of for an event. */
export function sleepsIn(text: string): string[] {
  const calls = nodesOf(text).flatMap((node) => {
    const name = node.type === 'CallExpression' ? nameOf(node.callee) : undefined;
    return name !== undefined && SLEEPS.has(name) ? [name] : [];
  });
  const timers = importsOf(text).filter(({ specifier }) => /^(node:)?timers\/promises$/.test(specifier));
  return [...calls, ...timers.map(({ specifier }) => specifier)];
}

const SKIPS = new Set(['skip', 'only', 'todo', 'fails', 'skipIf', 'runIf']);
const TEST_NAMES = new Set(['test', 'it', 'describe', 'suite', 'context', 'ctx', 'task']);

/**
 * Tests that do not run, or that keep the others from running: `test.skip`, `describe.only` … A test may depend on who
 * runs it (`runIf(process.getuid…)`) and on nothing else.
 */
export function skippedIn(text: string): string[] {
  return nodesOf(text).flatMap((node) => {
    const callee = node.type === 'CallExpression' ? node.callee : undefined;
    if (!isNode(callee) || callee.type !== 'MemberExpression') return [];
    const property = nameOf(callee.property) ?? '';
    const root = rootOf(callee) ?? '';
    if (!SKIPS.has(property) || !TEST_NAMES.has(root)) return [];
    const aboutTheUser = property === 'runIf' && walk(node.arguments).some(({ value }) => value === 'getuid');
    return aboutTheUser ? [] : [`${root}.${property}`];
  });
}

/** Lines of the longest function of the file, signature and closing brace included; 0 when there is none. */
export function longestFunction(text: string): number {
  // The tree counts in bytes from its own first token: a statement put in front makes that the first byte.
  const source = Buffer.from(`;${text}`);
  const tree = parse(source.toString());
  const start = spanOf(tree)?.start ?? 0;
  const lengths = walk(tree).map((node) => {
    const isFunction = /Function|ClassMethod|PrivateMethod|MethodProperty/.test(node.type);
    const span = isFunction ? spanOf(node) : undefined;
    if (span === undefined) return 0;
    return source
      .subarray(span.start - start, span.end - start)
      .toString()
      .split('\n').length;
  });
  return Math.max(0, ...lengths);
}

function parse(text: string): unknown {
  return parseSync(text, { syntax: 'typescript', target: 'es2022' });
}

function nodesOf(text: string): Node[] {
  return walk(parse(text));
}

function walk(value: unknown): Node[] {
  if (Array.isArray(value)) return value.flatMap(walk);
  if (typeof value !== 'object' || value === null) return [];
  const below = Object.values(value).flatMap(walk);
  return isNode(value) ? [value, ...below] : below;
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';
}

function spanOf(value: unknown): { start: number; end: number } | undefined {
  const span = isNode(value) ? value.span : undefined;
  if (typeof span !== 'object' || span === null || !('start' in span) || !('end' in span)) return undefined;
  return { start: Number(span.start), end: Number(span.end) };
}

/** The name of an identifier, or of the module that a literal spells. */
function nameOf(value: unknown): string | undefined {
  if (!isNode(value)) return undefined;
  if (value.type === 'Computed') return nameOf(value.expression);
  return typeof value.value === 'string' ? value.value : undefined;
}

/** `describe` of `describe.concurrent.only`. */
function rootOf(value: unknown): string | undefined {
  if (!isNode(value)) return undefined;
  return value.type === 'MemberExpression' ? rootOf(value.object) : nameOf(value);
}

function readImport(source: unknown, typeOnly: boolean, dynamic = false): ImportRead[] {
  const specifier = nameOf(source);
  return specifier === undefined ? [] : [{ specifier, typeOnly, dynamic }];
}

function firstArgument(call: Node): unknown {
  const first: unknown = Array.isArray(call.arguments) ? call.arguments[0] : undefined;
  return typeof first === 'object' && first !== null && 'expression' in first ? first.expression : undefined;
}
