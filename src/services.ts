/**
 * Builds every capability once, in order, and hands collaborators over. The only file that knows them all; holds no
 * logic.
 */

import { join } from 'node:path';
import { Acceptance } from './accepting/acceptance.ts';
import { Handover } from './accepting/handover.ts';
import { DirectIntake } from './accepting/intake.ts';
import { JournalMarks } from './accepting/journal-marks.ts';
import { Outbox } from './accepting/outbox.ts';
import { Producer } from './accepting/producer.ts';
import { ApiKeys } from './access/api-keys.ts';
import { KeptKey } from './access/kept-key.ts';
import { LinkKeys } from './access/link-keys.ts';
import { ResetTokens } from './access/reset-tokens.ts';
import { Analytics } from './analytics/analytics.ts';
import { Reports } from './analytics/reports.ts';
import { Tally } from './analytics/tally.ts';
import { Cache } from './cache.ts';
import { CollectedRequests } from './collected-requests.ts';
import type { Config } from './config.ts';
import { Characters } from './conversations/characters.ts';
import { Conversations } from './conversations/conversations.ts';
import { Replies } from './conversations/replies.ts';
import { TokenUsage } from './conversations/token-usage.ts';
import { connectDatabase, type Database } from './database/connection.ts';
import { Ledger } from './database/ledger.ts';
import { Listener } from './database/listener.ts';
import { OldRecords } from './database/old-records.ts';
import { OutboxRows, outboxChannel } from './database/outbox-rows.ts';
import { EventStreams } from './events/event-streams.ts';
import { MOST_EVENTS, Publisher } from './events/publisher.ts';
import { Flows } from './flows.ts';
import type { Identities } from './journal/claim.ts';
import { type Deadline, type Lifecycle, Parts } from './lifecycle.ts';
import { Locks } from './locks.ts';
import type { Logger } from './logger.ts';
import { Deliveries } from './mail/deliveries.ts';
import { Mailing } from './mail/mailing.ts';
import { Senders } from './mail/senders.ts';
import { Suppressions } from './mail/suppressions.ts';
import { Templates } from './mail/templates.ts';
import { UnsubscribeLinks } from './mail/unsubscribe.ts';
import { MailUpkeep } from './mail/upkeep.ts';
import { parseMailbox } from './mail-address.ts';
import { MediaFiles } from './media/files.ts';
import { MediaLinks } from './media/links.ts';
import type { Metrics } from './monitoring/metrics.ts';
import { Learning } from './profiles/learning.ts';
import { LearningFacts } from './profiles/learning-facts.ts';
import { Profiles } from './profiles/profiles.ts';
import { Audio } from './providers/audio.ts';
import { ChatModel } from './providers/chat-model.ts';
import { configuredMailer } from './providers/configured-mailer.ts';
import { Fetcher } from './providers/fetcher.ts';
import { Images } from './providers/images.ts';
import { Inbox } from './providers/inbox.ts';
import { mediaFolder, storageFor } from './providers/media-storage.ts';
import type { Model } from './providers/model.ts';
import { Programs } from './providers/programs.ts';
import type { Speech } from './providers/speech.ts';
import { chooseSpeech } from './providers/speech-choice.ts';
import type { Catalog } from './queue/catalog.ts';
import { FinishedJobs } from './queue/finished-jobs.ts';
import type { Housekeeping } from './queue/housekeeping.ts';
import { Inspector } from './queue/inspector.ts';
import { Queues } from './queue/queues.ts';
import { standingJobs } from './queue/standing-jobs.ts';
import { StrayJobs } from './queue/stray-jobs.ts';
import { Breaker } from './redis/breaker.ts';
import { closeRedis, connectRedis, type RedisRole, redisReady, type ScriptedRedis } from './redis/connections.ts';
import { queueKeys } from './redis/keys.ts';

/** Milliseconds that a starting process waits for its first connections. */
const FIRST_CONNECT_MS = 2000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export interface ServicesOptions {
  readonly config: Config;
  readonly catalog: Catalog;
  readonly logger: Logger;
  /** Role of the process, shown by the stores: `web` or `worker`. */
  readonly role: string;
  /** Told of every wait for a lock and every read through the cache; nobody unless given. */
  readonly metrics?: Pick<Metrics, 'lockWait' | 'cacheRead'>;
  /** Given, jobs are accepted into a journal; else they go to Redis directly, as a worker's do. */
  readonly identities?: Identities;
}

export class Services implements Lifecycle {
  readonly config: Config;
  readonly logger: Logger;
  readonly catalog: Catalog;
  /** Fails fast: for everything somebody waits on. */
  readonly redis: ScriptedRedis;
  readonly redisBreaker: Breaker;
  readonly cacheRedis: ScriptedRedis;
  readonly cacheBreaker: Breaker;
  readonly database: Database;
  readonly ledger: Ledger;
  readonly collectedRequests: CollectedRequests;
  readonly cache: Cache;
  readonly locks: Locks;
  readonly flows: Flows;
  readonly profiles: Profiles;
  readonly learning: Learning;
  readonly model: Model;
  readonly characters: Characters;
  readonly conversations: Conversations;
  readonly tokenUsage: TokenUsage;
  readonly replies: Replies;
  readonly analytics: Analytics;
  readonly reports: Reports;
  /** What happens in this process, counted. */
  readonly tally: Tally;
  readonly apiKeys: ApiKeys;
  readonly media: MediaFiles;
  readonly mediaLinks: MediaLinks;
  readonly fetcher: Fetcher;
  readonly images: Images;
  readonly programs: Programs;
  readonly audio: Audio;
  readonly speech: Speech;
  readonly inbox: Inbox;
  readonly deliveries: Deliveries;
  readonly senders: Senders;
  readonly suppressions: Suppressions;
  readonly templates: Templates;
  readonly unsubscribeLinks: UnsubscribeLinks;
  readonly mail: Mailing;
  readonly mailUpkeep: MailUpkeep;
  readonly resetTokens: ResetTokens;
  readonly queues: Queues;
  /** The journal and what belongs to it; a process without one has none. */
  readonly acceptance: Acceptance | undefined;
  readonly producer: Producer;
  /** Relays nothing until it is started, which web processes do. */
  readonly outbox: Outbox;
  readonly inspector: Inspector;
  readonly publisher: Publisher;
  readonly housekeeping: Housekeeping;
  readonly #parts = new Parts();

  constructor({ config, catalog, logger, role, metrics, identities }: ServicesOptions) {
    this.config = config;
    this.catalog = catalog;
    this.logger = logger;
    const keyPrefix = config.KEY_PREFIX;

    this.database = connectDatabase({
      url: config.DATABASE_URL,
      schema: config.DATABASE_SCHEMA,
      poolSize: config.DATABASE_POOL_SIZE,
      name: role,
      onLost: (error) => logger.warn({ err: { message: error.message } }, 'lost a connection to PostgreSQL'),
    });
    this.#parts.add('database', { stop: () => this.database.destroy() });
    this.redis = this.#connect(config.REDIS_URL, 'producer', `${role}:queue`);
    this.redisBreaker = this.#parts.add('redis breaker', new Breaker({ name: 'redis', client: this.redis, logger }));
    this.cacheRedis = this.#connect(config.REDIS_CACHE_URL, 'cache', `${role}:cache`);
    const cacheBreaker = new Breaker({ name: 'cache', client: this.cacheRedis, logger });
    this.cacheBreaker = this.#parts.add('cache breaker', cacheBreaker);

    this.tally = this.#parts.add('tally', new Tally({ database: this.database, logger }));
    const { tally } = this;
    this.ledger = new Ledger({ database: this.database });
    this.collectedRequests = new CollectedRequests({ database: this.database });
    this.apiKeys = new ApiKeys({ database: this.database });
    this.cache = this.#parts.add(
      'cache',
      new Cache({
        redis: this.cacheRedis,
        breaker: this.cacheBreaker,
        config,
        logger,
        onRead: (outcome) => {
          metrics?.cacheRead(outcome);
          tally.cacheRead(outcome);
        },
      }),
    );
    this.locks = new Locks({ redis: this.redis, keyPrefix, logger, ...(metrics && { onWait: metrics.lockWait }) });
    this.flows = new Flows({ cache: this.cache });
    this.profiles = new Profiles({ database: this.database, cache: this.cache });
    this.learning = new Learning({ database: this.database });
    this.model = new ChatModel({
      baseUrl: config.AI_BASE_URL,
      name: config.AI_MODEL,
      apiKey: config.AI_API_KEY,
      maxTokens: config.AI_MAX_TOKENS,
    });
    const { database, cache, model, profiles } = this;
    this.characters = new Characters({ database, cache });
    this.conversations = new Conversations({ database });
    this.tokenUsage = new TokenUsage({ database });
    this.replies = new Replies({ database, cache, model, profiles, characters: this.characters });
    const { MEDIA_MAX_BYTES: maxBytes, MEDIA_KEEP_DAYS, MEDIA_LINK_KEY: key, MEDIA_LINK_MINUTES: minutes } = config;
    this.media = new MediaFiles({ database, storage: storageFor(config), maxBytes, keepDays: MEDIA_KEEP_DAYS });
    const kept = new KeptKey({ path: join(mediaFolder(config), 'link-key'), variable: 'MEDIA_DIR' });
    this.mediaLinks = new MediaLinks({ key, kept, minutes });
    const ports = config.MEDIA_FETCH_PORTS.split(',').map(Number);
    this.fetcher = new Fetcher({ allowHttp: config.MEDIA_FETCH_HTTP === 'on', ports });
    this.images = new Images();
    this.programs = new Programs({ dataDir: config.DATA_DIR });
    const { programs } = this;
    this.audio = new Audio({ programs, maxSeconds: config.AUDIO_MAX_SECONDS });
    this.speech = chooseSpeech(config, programs);

    const folder = join(config.DATA_DIR, 'mail');
    this.inbox = new Inbox({ folder: join(folder, 'inbox'), most: config.MAIL_INBOX_MAX });
    const mailer = this.#parts.add('mailer', configuredMailer(config, this.inbox));
    const production = config.NODE_ENV === 'production';
    const mailKey = new KeptKey({ path: join(folder, 'mail-secret'), variable: 'DATA_DIR' });
    const keys = new LinkKeys({ secret: config.MAIL_SECRET, kept: mailKey, production });
    this.deliveries = new Deliveries({ database });
    this.senders = new Senders({ database, standard: parseMailbox(config.MAIL_FROM ?? '') });
    this.suppressions = new Suppressions({ database });
    this.templates = new Templates();
    this.unsubscribeLinks = new UnsubscribeLinks({ keys, base: config.PUBLIC_URL });
    const { deliveries, senders, suppressions, templates, unsubscribeLinks: links } = this;
    const rules = { dailyCap: config.MAIL_DAILY_CAP, atMostOnce: new Set(config.MAIL_AT_MOST_ONCE?.split(',')) };
    this.mail = new Mailing({ deliveries, senders, suppressions, templates, links, mailer, ...rules });
    const reset = { redis: this.redis, breaker: this.redisBreaker, keyPrefix, keys, page: config.PASSWORD_RESET_URL };
    this.resetTokens = new ResetTokens(reset);

    const sources = [new LearningFacts({ database }), this.media, deliveries, this.conversations];
    this.analytics = new Analytics({ database, sources, keepDays: config.ANALYTICS_KEEP_DAYS });
    this.reports = new Reports({ database, analytics: this.analytics });

    const { catalog: definitions, ledger, collectedRequests, redisBreaker: breaker } = this;
    this.queues = this.#parts.add(
      'queues',
      new Queues({ names: definitions.queues, redis: this.redis, prefix: config.QUEUE_PREFIX, logger }),
    );
    const { queues, redis } = this;
    const handover = new Handover({ queues, redis, prefix: config.QUEUE_PREFIX, logger });
    if (identities !== undefined) {
      const options = { config, redis, breaker, queues, handover, ledger, identities, logger };
      this.acceptance = this.#parts.add('acceptance', new Acceptance(options));
    }
    const intake = this.acceptance ?? new DirectIntake({ handover, breaker });
    this.producer = new Producer({ catalog: definitions, queues, intake, breaker, collectedRequests });
    const channel = outboxChannel(config.DATABASE_SCHEMA);
    const listener = new Listener({ url: config.DATABASE_URL, channel, name: `${role}:outbox`, logger });
    const rows = new OutboxRows({ database });
    this.outbox = this.#parts.add('outbox', new Outbox({ rows, listener, producer: this.producer, logger }));
    const { acceptance: keptJobs, inbox } = this;
    this.inspector = new Inspector({ queues, ledger, collectedRequests, outbox: this.outbox, breaker, keptJobs });
    this.mailUpkeep = new MailUpkeep({ deliveries, inbox, keepDays: config.MAIL_KEEP_DAYS, jobs: this.inspector });
    this.publisher = new Publisher({ redis: this.redis, breaker, keyPrefix });
    this.housekeeping = this.#housekeeping();
  }

  #housekeeping(): Housekeeping {
    const { config, database, redis, redisBreaker: breaker, logger } = this;
    const { KEY_PREFIX: keyPrefix, QUEUE_PREFIX: prefix } = config;
    const keepMs = config.LEDGER_KEEP_DAYS * DAY_MS;
    const keep = {
      completedMs: config.JOBS_KEEP_COMPLETED_HOURS * HOUR_MS,
      deadMs: config.JOBS_KEEP_DEAD_DAYS * DAY_MS,
      mostJobs: config.JOBS_KEEP_MOST,
      mostBytes: config.JOBS_KEEP_MOST_BYTES,
    };
    const standing = (ids: readonly string[]) => standingJobs({ redis, breaker, prefix }, ids);
    const events = { keepMs: config.EVENTS_KEEP_DAYS * DAY_MS, mostEvents: MOST_EVENTS };
    return {
      finishedJobs: new FinishedJobs({ redis, breaker, prefix, keep, logger }),
      strayJobs: new StrayJobs({ redis, breaker, prefix }),
      oldRecords: new OldRecords({ database, keepMs, standing }),
      eventStreams: new EventStreams({ redis, breaker, keyPrefix, ...events }),
      journalMarks: new JournalMarks({ redis, breaker, key: `${prefix}:${queueKeys.journalMarks()}`, keepMs }),
    };
  }

  /**
   * Give the Redis clients a moment to connect, so that the first callers find them, and open the journal. A Redis that
   * is away is no error.
   */
  async start(): Promise<void> {
    const clients = [this.redis, this.cacheRedis];
    const results = await Promise.allSettled(clients.map((client) => redisReady(client, FIRST_CONNECT_MS)));
    if (results.some(({ status }) => status === 'rejected')) this.logger.warn('started without one of the Redises');
    await this.acceptance?.start();
    await this.tally.start();
  }

  /** Close what was opened, newest first. */
  stop(deadline: Deadline): Promise<void> {
    return this.#parts.stop(deadline, this.logger);
  }

  #connect(url: string, role: RedisRole, name: string): ScriptedRedis {
    const client = connectRedis({ url, role, name, logger: this.logger });
    this.#parts.add(`redis ${name}`, { stop: (deadline) => closeRedis(client, Math.min(1000, deadline.leftMs)) });
    return client;
  }
}
