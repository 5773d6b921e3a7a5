import { describe, expect, test } from 'vitest';
import { AppError, Snooze } from '../../../../src/errors.ts';
import { carried, carry, orderSchema, replySchema } from '../../../../workers/isolation/messages.ts';
import { outcomeOf } from '../../../../workers/outcome.ts';

/** As it arrives: through JSON and the schema of a message. */
function cross(error: unknown): unknown {
  const reply = replySchema.parse(JSON.parse(JSON.stringify({ kind: 'failed', error: carry(error) })));
  if (reply.kind !== 'failed') throw new Error('it became something else');
  return carried(reply.error);
}

describe('an error that crosses', () => {
  test.each([
    ['a permanent one', new AppError('work-refused', 'Never.')],
    ['one to be retried', new AppError('attempt-timed-out', 'Late.')],
    ['one that says when', new AppError('store-unavailable', 'Away.', { retryAfterSeconds: 7 })],
    ['a shutdown', new AppError('shutting-down', 'Stopping.')],
    ['a snooze', new Snooze(1234, 'not yet')],
    ['a plain one', new TypeError('no luck')],
    ['a string', 'just text'],
    ['nothing', undefined],
  ])('is judged as if it had been thrown here: %s', (_what, error) => {
    expect(outcomeOf(cross(error), () => 0.5)).toEqual(outcomeOf(error, () => 0.5));
  });

  test('brings no cause, no stack and no more than 10,000 characters', () => {
    const error = new AppError('internal', 'x'.repeat(20_000), { cause: new Error('secret') });
    expect(carry(error)).toEqual({ type: 'app', code: 'internal', message: 'x'.repeat(10_000) });
  });

  test('may have no text at all', () => {
    const hostile: unknown = Object.create(Error.prototype, {
      message: {
        get: () => {
          throw new Error('no');
        },
      },
    });
    expect(carry(Object.create(null))).toEqual({ type: 'other', message: 'What was thrown has no text.' });
    expect(carry(hostile)).toEqual({ type: 'other', message: 'What was thrown has no text.' });
    expect(carry(new Snooze(Number.NaN, 'when?'))).toEqual({ type: 'snooze', delayMs: 0, message: 'when?' });
  });
});

describe('what is no message', () => {
  test.each([
    [undefined],
    [null],
    [[]],
    ['done'],
    [{}],
    [{ kind: 'toString' }],
    [{ kind: 'run' }],
    [{ kind: 'progress' }],
    [{ kind: 'progress', value: null }],
    [{ kind: 'progress', value: 'half' }],
    [{ kind: 'failed' }],
    [{ kind: 'failed', error: 'x' }],
    [{ kind: 'failed', error: { type: 'app', code: 'no-such-code', message: 'x' } }],
    [{ kind: 'failed', error: { type: 'app', code: '__proto__', message: 'x' } }],
    [{ kind: 'failed', error: { type: 'app', code: 'internal', message: 'x', retryAfterSeconds: -1 } }],
    [{ kind: 'failed', error: { type: 'snooze', delayMs: null, message: 'x' } }],
    [{ kind: 'failed', error: { type: 'snooze', delayMs: -5, message: 'x' } }],
  ])('is refused from a child: %j', (message) => {
    expect(replySchema.safeParse(message).success).toBe(false);
  });

  test('is refused from a child when it talks too much', () => {
    const error = { type: 'other', message: 'x'.repeat(10_001) };
    expect(replySchema.safeParse({ kind: 'failed', error }).success).toBe(false);
  });

  test.each([
    [undefined],
    [{ kind: 'ready' }],
    [{ kind: 'run', job: { id: 'a', name: 'b', failedAttempts: -1 }, envelope: {} }],
    [{ kind: 'run', job: { id: 'a', name: 'b', failedAttempts: 0 } }],
    [{ kind: 'abort' }],
    [{ kind: 'reported', error: {} }],
  ])('is refused from a worker: %j', (message) => {
    expect(orderSchema.safeParse(message).success).toBe(false);
  });
});
