/**
 * The Procfile (which commands there are) and FORMATION (how many of each run).
 *
 * Promises: a wrong line or name is an error that says where it is and what would be right; nothing is guessed.
 */

/** Process names to shell commands, in the order of the file. */
export type Procfile = ReadonlyMap<string, string>;

/** One process to run. */
export interface PlannedProcess {
  /** Such as `worker.2`. */
  readonly name: string;
  /** Its line in the Procfile, such as `worker`. */
  readonly kind: string;
  readonly command: string;
}

/** The Procfile or FORMATION is wrong. */
export class FormationError extends Error {
  override readonly name = 'FormationError';
}

const LINE = /^([a-z][a-z0-9-]*):\s*(\S.*)$/;

/** Read a Procfile: one `name: command` a line; empty lines and lines that begin with # do not count. */
export function parseProcfile(text: string): Procfile {
  const commands = new Map<string, string>();
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const [, name, command] = LINE.exec(line) ?? [];
    if (name === undefined || command === undefined) {
      throw new FormationError(`Procfile line ${index + 1} is not "name: command": ${line}`);
    }
    if (commands.has(name)) throw new FormationError(`Procfile line ${index + 1} names "${name}" a second time.`);
    commands.set(name, command);
  }
  return commands;
}

/** The processes that `formation` (such as `web=1,worker=3`) asks for, in the order of the Procfile. */
export function planProcesses(procfile: Procfile, formation: string): PlannedProcess[] {
  const counts = new Map<string, number>();
  for (const part of formation.split(',')) {
    const [kind = '', count = ''] = part.split('=');
    if (!procfile.has(kind)) {
      throw new FormationError(`FORMATION: the Procfile has no "${kind}". It has ${[...procfile.keys()].join(', ')}.`);
    }
    if (counts.has(kind)) throw new FormationError(`FORMATION names "${kind}" twice.`);
    counts.set(kind, Number(count));
  }
  return [...procfile].flatMap(([kind, command]) =>
    Array.from({ length: counts.get(kind) ?? 0 }, (_, index) => ({ name: `${kind}.${index + 1}`, kind, command })),
  );
}
