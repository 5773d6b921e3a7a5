/**
 * The web process, composed: the services, the routes, the board, and how they stop.
 *
 * Promises: on stop it says "not ready" first, then finishes what it has begun, then closes its connections, all
 * against one deadline. It starts, and answers 503 with the reason, also while a store is away.
 */

import { hostname } from 'node:os';
import { requireLogin } from './access/login.ts';
import type { Config } from './config.ts';
import { ANALYTICS_MOUNT, analyticsPage } from './http/admin/analytics-page.ts';
import { createApp } from './http/app.ts';
import { mailPage } from './http/mail-page.ts';
import { createAuthenticate } from './http/middleware/authentication.ts';
import { analyticsRoutes } from './http/routes/analytics.ts';
import { bulkRoutes } from './http/routes/bulk.ts';
import { conversationRoutes } from './http/routes/conversations.ts';
import { flowRoutes } from './http/routes/flows.ts';
import { healthRoutes } from './http/routes/health.ts';
import { jobRoutes } from './http/routes/jobs.ts';
import { mailRoutes } from './http/routes/mail.ts';
import { mediaRoutes } from './http/routes/media.ts';
import { passwordResetRoutes } from './http/routes/password-resets.ts';
import { profileRoutes } from './http/routes/profile.ts';
import { queueRoutes } from './http/routes/queues.ts';
import { HttpServer } from './http/server.ts';
import { type Deadline, type Lifecycle, Parts } from './lifecycle.ts';
import { identify } from './local/processes.ts';
import type { Logger } from './logger.ts';
import { Health } from './monitoring/health.ts';
import { MetricTotals } from './monitoring/metric-totals.ts';
import { Metrics } from './monitoring/metrics.ts';
import { MetricsPage } from './monitoring/metrics-page.ts';
import { StoreCheck } from './monitoring/store-check.ts';
import { VERSION } from './monitoring/version.ts';
import { speechState } from './providers/speech-choice.ts';
import { createBoard } from './queue/board.ts';
import type { Catalog } from './queue/catalog.ts';
import { Completions } from './queue/completions.ts';
import { closeRedis, connectRedis } from './redis/connections.ts';
import { Services } from './services.ts';

export interface WebOptions {
  readonly config: Config;
  readonly catalog: Catalog;
  readonly logger: Logger;
  /** Milliseconds since 1970: by it requests are of the same minute. */
  readonly clock?: () => number;
}

export class WebProcess implements Lifecycle {
  readonly services: Services;
  readonly #parts = new Parts();
  readonly #server: HttpServer;
  readonly #storeCheck: StoreCheck;
  readonly #totals: MetricTotals;
  readonly #health: Health;
  readonly #logger: Logger;

  constructor({ config, catalog, logger, clock = Date.now }: WebOptions) {
    this.#logger = logger;
    const metrics = new Metrics({ role: 'web' });
    const services = this.#parts.add(
      'services',
      new Services({ config, catalog, logger, role: 'web', metrics, identities: { identify } }),
    );
    this.services = services;
    const listening = connectRedis({ url: config.REDIS_URL, role: 'worker', name: 'web:listen', logger });
    this.#parts.add('listening connection', {
      stop: (deadline) => closeRedis(listening, Math.min(1000, deadline.leftMs)),
    });
    const completions = this.#parts.add(
      'completions',
      new Completions({ redis: listening, prefix: config.QUEUE_PREFIX, logger }),
    );
    const { redis, cacheRedis, database, cache, producer, inspector, profiles, flows, queues, apiKeys } = services;
    const { acceptance, conversations, characters, tokenUsage, model } = services;
    if (acceptance === undefined) throw new Error('a web process accepts into a journal');
    this.#storeCheck = this.#parts.add('store check', new StoreCheck({ redis, cacheRedis, logger }));
    this.#health = new Health({
      database,
      redis,
      cacheRedis,
      queues: inspector,
      storeCheck: this.#storeCheck,
      acceptance,
      model,
      features: async () => [await speechState(config, services.programs)],
      keyPrefix: config.KEY_PREFIX,
      processId: `${hostname()}:${process.pid}`,
      version: VERSION,
    });
    const totals = { metrics, redis, keyPrefix: config.KEY_PREFIX, logger };
    this.#totals = this.#parts.add('metric totals', new MetricTotals(totals));
    const looked = { queues: inspector, redis, cacheRedis, acceptance };
    const page = { metrics, totals: this.#totals, ...looked, business: services.reports, version: VERSION, logger };
    const metricsPage = new MetricsPage(page);

    const board = createBoard({
      queues: queues.all,
      definitions: catalog.all,
      user: config.BOARD_USER,
      password: config.BOARD_PASSWORD,
      writes: config.BOARD_WRITES,
      logger,
    });
    const { BOARD_USER: user, BOARD_PASSWORD: password } = config;
    const login = (page: string) => requireLogin({ user, password, logger, page });
    const { templates, senders, suppressions, deliveries, inbox } = services;
    const preview = config.NODE_ENV !== 'production';
    const mail = mailPage({ login: login('mail page'), deliveries, inbox, toServer: config.SMTP_URL !== undefined });
    const app = createApp({
      logger,
      authenticate: createAuthenticate({ auth: config.AUTH, apiKeys }),
      routes: [
        ...healthRoutes({ health: this.#health, metricsPage, cache }),
        ...jobRoutes({ producer, inspector, completions }),
        ...bulkRoutes({ producer }),
        ...queueRoutes({ catalog, inspector }),
        ...profileRoutes({ producer, profiles }),
        ...flowRoutes({ flows }),
        ...mediaRoutes({ media: services.media, links: services.mediaLinks }),
        ...conversationRoutes({ conversations, characters, tokenUsage }),
        ...analyticsRoutes({ reports: services.reports }),
        ...mailRoutes({ templates, senders, suppressions, links: services.unsubscribeLinks, preview }),
        ...passwordResetRoutes({ producer, resetTokens: services.resetTokens, clock }),
      ],
      mounts: [
        { path: '/admin/queues', handler: board },
        { path: '/admin/mail', handler: mail },
        { path: ANALYTICS_MOUNT, handler: analyticsPage({ login: login('analytics'), reports: services.reports }) },
      ],
      measure: metrics.request,
    });
    const where = { port: config.PORT, host: config.HOST };
    this.#server = this.#parts.add('http server', new HttpServer({ app, logger }, where));
  }

  /** The TCP port in use. */
  get port(): number {
    return this.#server.port;
  }

  async start(): Promise<void> {
    await this.services.start();
    await this.services.outbox.start();
    await this.#storeCheck.start();
    await this.#totals.start();
    await this.#server.start();
  }

  stop(deadline: Deadline): Promise<void> {
    this.#health.drain();
    return this.#parts.stop(deadline, this.#logger);
  }
}
