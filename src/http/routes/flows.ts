/** /api/flows: the state of a long-running flow, for whoever shows it. */

import { z } from 'zod';
import { AppError } from '../../errors.ts';
import type { Flows } from '../../flows.ts';
import { id } from '../../queue/job.ts';
import { defineRoute, type Route } from '../route.ts';

const params = z.strictObject({ id });

const unavailable = () =>
  new AppError('store-unavailable', 'The cache Redis does not answer.', { retryAfterSeconds: 2 });

export function flowRoutes({ flows }: { readonly flows: Flows }): Route[] {
  return [
    defineRoute({
      method: 'PUT',
      path: '/api/flows/:id/state',
      access: 'caller',
      about: 'Store the state of a flow for 5 minutes, and its status, phase and progress for an hour.',
      params,
      body: z.record(z.string(), z.unknown()),
      handle: async ({ tenant, params: { id: flowId }, body }) => {
        if (!(await flows.setState(tenant, flowId, body))) throw unavailable();
        return { body: await flows.meta(tenant, flowId) };
      },
    }),
    defineRoute({
      method: 'GET',
      path: '/api/flows/:id/state',
      access: 'caller',
      about: 'The state of a flow, and its status, phase and progress; null when they are not known.',
      params,
      handle: async ({ tenant, params: { id: flowId } }) => {
        const [state, meta] = await Promise.all([flows.state(tenant, flowId), flows.meta(tenant, flowId)]);
        return { body: { state: state ?? null, meta: meta ?? null } };
      },
    }),
  ];
}
