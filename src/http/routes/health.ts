/** /health, /livez, /readyz and /metrics: open to whoever can reach the port; they tell no tenant's data. */

import type { Cache } from '../../cache.ts';
import type { Health } from '../../monitoring/health.ts';
import { METRICS_TYPE, type MetricsPage } from '../../monitoring/metrics-page.ts';
import { defineRoute, type Route } from '../route.ts';

export interface HealthRoutesOptions {
  readonly health: Health;
  readonly metricsPage: MetricsPage;
  readonly cache: Cache;
}

export function healthRoutes({ health, metricsPage, cache }: HealthRoutesOptions): Route[] {
  return [
    defineRoute({
      method: 'GET',
      path: '/health',
      access: 'open',
      about: 'How every service is, with reasons; 503 when no job can be accepted.',
      handle: async () => {
        const report = await health.report();
        return { status: report.status === 'error' ? 503 : 200, body: report };
      },
    }),
    defineRoute({
      method: 'GET',
      path: '/livez',
      access: 'open',
      about: 'The process answers.',
      handle: async () => ({ body: health.live() }),
    }),
    defineRoute({
      method: 'GET',
      path: '/readyz',
      access: 'open',
      about: 'Send requests here, or not: 200 or 503. Does a real write.',
      handle: async () => {
        const readiness = await health.ready();
        return { status: readiness.ready ? 200 : 503, body: readiness };
      },
    }),
    defineRoute({
      method: 'GET',
      path: '/metrics',
      access: 'open',
      about: 'Metrics of this process and of all workers, for Prometheus.',
      handle: async () => ({ text: await metricsPage.text(), headers: { 'Content-Type': METRICS_TYPE } }),
    }),
    defineRoute({
      method: 'GET',
      path: '/cache-stats',
      access: 'operator',
      about: 'Hits, misses and their ratio, and whether the cache Redis is reached.',
      handle: async () => ({ body: await cache.stats() }),
    }),
  ];
}
