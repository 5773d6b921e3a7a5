/**
 * Server-sent events, read from a body as it comes: the `data` of each event, in order.
 *
 * Promises: a line and an event are bounded, and so is the whole stream; what is too large ends the reading with
 * `provider-failed` and closes the body. Characters that are cut between two chunks come out whole. An event that the
 * stream breaks off in is not told of.
 */

import { AppError } from '../errors.ts';

export interface EventStreamLimits {
  /** Most bytes of the stream. */
  readonly streamBytes: number;
  /** Most characters of one event. */
  readonly eventCharacters: number;
}

/** The data of each event. `onChunk` is told of every arrival, before what it brought is looked at. */
export async function* readEvents(
  body: AsyncIterable<Uint8Array>,
  limits: EventStreamLimits,
  onChunk: () => void = () => {},
): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let bytes = 0;
  let rest = '';
  let data: string | undefined;
  for await (const chunk of body) {
    onChunk();
    bytes += chunk.byteLength;
    if (bytes > limits.streamBytes) throw tooLarge(`more than ${limits.streamBytes} bytes`);
    const lines = (rest + decoder.decode(chunk, { stream: true })).split(/\r\n|\n|\r(?!\n|$)/);
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line === '') {
        if (data !== undefined) yield data;
        data = undefined;
        continue;
      }
      const value = /^data(?::\s?(.*))?$/s.exec(line);
      if (value !== null) data = data === undefined ? (value[1] ?? '') : `${data}\n${value[1] ?? ''}`;
      if ((data?.length ?? 0) > limits.eventCharacters) throw tooLarge(tooLong(limits));
    }
    if (rest.length > limits.eventCharacters) throw tooLarge(tooLong(limits));
  }
}

const tooLong = ({ eventCharacters }: EventStreamLimits) => `an event of more than ${eventCharacters} characters`;

function tooLarge(what: string): AppError {
  return new AppError('provider-failed', `The provider sent ${what}; the rest was cut off.`);
}
