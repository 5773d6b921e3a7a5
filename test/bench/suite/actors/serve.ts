/** The child's side of `Actor`: commands that the bench calls over the process's channel. Ends with its parent. */

export type Commands = Readonly<Record<string, (...args: never[]) => unknown>>;

export interface Reply {
  readonly id: number;
  readonly value?: unknown;
  /** Message of what was thrown. */
  readonly error?: string;
}

interface Call {
  readonly id: number;
  readonly name: string;
  readonly args: never[];
}

/** Answer the parent's calls with these commands, until it goes. */
export function serve(commands: Commands): void {
  process.once('disconnect', () => process.exit(0));
  process.on('message', ({ id, name, args }: Call) => {
    const run = async () => commands[name]?.(...args);
    run().then(
      (value) => process.send?.({ id, value } satisfies Reply),
      (error: unknown) => {
        const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
        process.send?.({ id, error: text } satisfies Reply);
      },
    );
  });
}
