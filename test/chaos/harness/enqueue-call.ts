/** How jobs are asked for over HTTP, and how the answers are read: one at a time, in a list, as lines. */

import { z } from 'zod';
import { ERRORS, type ErrorCode } from '../../../src/errors.ts';
import { NO_ANSWER } from './driver-log.ts';
import type { PlannedRequest, Route, Shipment } from './request-plan.ts';
import type { Call, Reply } from './sender.ts';

/** The answer to one job. */
export interface JobAnswer {
  readonly status: number;
  readonly id: string | undefined;
}

/** The HTTP request that asks for these jobs. */
export function callFor({ route, requests }: Shipment): Call {
  switch (route) {
    case 'single': {
      const [first] = requests;
      const headers = first?.key === undefined ? undefined : { 'idempotency-key': first.key };
      return { method: 'POST', path: '/v1/jobs', headers, body: JSON.stringify(first?.body) };
    }
    case 'bulk':
      return { method: 'POST', path: '/v1/jobs/bulk', body: JSON.stringify({ jobs: requests.map(listed) }) };
    case 'stream': {
      const headers = { 'content-type': 'application/x-ndjson' };
      const body = requests.map((request) => `${JSON.stringify(listed(request))}\n`).join('');
      return { method: 'POST', path: '/v1/jobs/stream', headers, body };
    }
  }
}

/** A job among others carries its key beside it. */
function listed({ body, key }: PlannedRequest) {
  return key === undefined ? body : { ...body, idempotencyKey: key };
}

const single = z.object({ id: z.string() });
const item = z.union([z.object({ id: z.string() }), z.object({ code: z.string() })]);
const list = z.object({ jobs: z.array(item) });
const line = z.union([z.object({ line: z.int() }).and(item), z.object({ done: z.boolean() })]);

/** One answer for each job, in order; an answer that was cut off holds for the jobs that it tells of. */
export function answersOf(route: Route, jobs: number, reply: Reply | undefined): JobAnswer[] {
  const all = (status: number): JobAnswer[] => Array.from({ length: jobs }, () => ({ status, id: undefined }));
  if (reply === undefined) return all(NO_ANSWER);
  const { status, text, whole } = reply;
  if (route === 'stream' && status === 200) return answersOfLines(text, all(NO_ANSWER));
  if (!whole) return all(NO_ANSWER);
  if (status < 200 || status > 299) return all(status);
  if (route === 'single') return [{ status, id: single.parse(JSON.parse(text)).id }];
  return list.parse(JSON.parse(text)).jobs.map(answerOf);
}

/** Lines count from 1. A last line without its line feed was cut off. */
function answersOfLines(text: string, answers: JobAnswer[]): JobAnswer[] {
  for (const each of text.split('\n').slice(0, -1)) {
    const told = line.parse(JSON.parse(each));
    if ('line' in told) answers[told.line - 1] = answerOf(told);
  }
  return answers;
}

function answerOf(told: z.output<typeof item>): JobAnswer {
  if ('id' in told) return { status: 202, id: told.id };
  if (isCode(told.code)) return { status: ERRORS[told.code].status, id: undefined };
  throw new Error(`The service refused a job with the unknown code ${told.code}.`);
}

function isCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}
