/**
 * What every command shares: where it writes, and how it finds the stores.
 *
 * The stores are those of the environment; for what it does not name, those of the `npm start` that runs in `DATA_DIR`.
 */

import { ConfigError, type LocalConfig, loadLocalConfig } from '../config.ts';
import { readLocalState } from '../local/state.ts';

/** Where a command writes. `print` is the result, `say` is for the person only. */
export interface Terminal {
  print(line: string): void;
  say(line: string): void;
  /** The configuration; a command asks for the stores it needs with `storeUrl`. Throws `ConfigError`. */
  config(): Promise<LocalConfig>;
}

/** Result to standard output, the rest to standard error. */
export const terminal: Terminal = {
  print: (line) => void process.stdout.write(`${line}\n`),
  say: (line) => void process.stderr.write(`${line}\n`),
  config: async () => loadLocalConfig(await readLocalState(loadLocalConfig().DATA_DIR)),
};

/** The URL of a store. Throws `ConfigError` when it is neither set nor known from a running `npm start`. */
export function storeUrl(config: LocalConfig, name: 'REDIS_URL' | 'DATABASE_URL'): string {
  const url = config[name];
  if (url !== undefined) return url;
  throw new ConfigError([`  ${name}: is not set, and no \`npm start\` runs here. Set it, or run \`npm start\` first.`]);
}
