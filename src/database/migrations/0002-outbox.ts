/**
 * The outbox, and `millrace_enqueue`, which writes into it inside the caller's own transaction.
 *
 * The function runs with its owner's rights, so it trusts no search path but PostgreSQL's own and names the table with
 * its schema. It checks what the HTTP API checks of every request, with the same limits; what only the definition knows
 * is checked when the row is relayed. While PostgreSQL is away there is nobody to call it.
 */

import { type Kysely, sql } from 'kysely';

/** The outbox's table and the function that fills it. */
export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    CREATE TABLE outbox (
      seq             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      tx              bigint NOT NULL DEFAULT txid_current(),
      id              text NOT NULL,
      tenant          text NOT NULL,
      job             text NOT NULL,
      payload         jsonb NOT NULL,
      requested_at    timestamptz NOT NULL,
      run_at          timestamptz,
      attempts        integer,
      priority        integer,
      timeout_ms      integer,
      tags            jsonb,
      idempotency_key text,
      tries           integer NOT NULL DEFAULT 0,
      not_before      timestamptz NOT NULL DEFAULT '-infinity',
      set_aside_at    timestamptz,
      error_code      text,
      error_detail    text,
      open            boolean NOT NULL GENERATED ALWAYS AS (set_aside_at IS NULL) STORED
    ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)`.execute(db);
  // A boolean, for the planner takes every second row to have one that it knows nothing of: it then reads a long backlog
  // from its beginning, in the order of this index, where it would sort all of it for `set_aside_at IS NULL`.
  await sql`CREATE INDEX outbox_open ON outbox (seq) WHERE open`.execute(db);
  await sql`CREATE INDEX outbox_ids ON outbox (id)`.execute(db);

  const names = sql<{ table: string; channel: string }>`
    SELECT quote_ident(current_schema()) || '.outbox' AS table,
      quote_literal(left('millrace_outbox_' || current_schema(), 63)) AS channel`;
  for (const { table, channel } of (await names.execute(db)).rows) {
    await sql.raw(enqueueFunction(table, channel)).execute(db);
  }
  await sql`REVOKE ALL ON FUNCTION millrace_enqueue(text, jsonb, jsonb) FROM PUBLIC`.execute(db);
}

const enqueueFunction = (table: string, channel: string) => `
CREATE FUNCTION millrace_enqueue(job text, payload jsonb, options jsonb DEFAULT '{}') RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $millrace$
DECLARE
  -- null is "not given", so that a column that may be null can be passed on as it is.
  given CONSTANT jsonb := CASE WHEN options IS NULL THEN '{}' ELSE jsonb_strip_nulls(options) END;
  requested CONSTANT timestamptz := date_trunc('milliseconds', clock_timestamp());
  latest CONSTANT timestamptz := requested + interval '31536000 seconds';
  -- Most texts tell at a glance that there is no need to look at every value one by one.
  body CONSTANT text := payload::text;
  starts timestamptz;
  tenant CONSTANT text := coalesce(given ->> 'tenant', 'default');
  key CONSTANT text := given ->> 'idempotencyKey';
  random CONSTANT text := replace(gen_random_uuid()::text, '-', '');
  job_id text;
  problem text;
BEGIN
  IF job !~ '^[a-z][a-z0-9-]{0,62}[.][a-z][a-z0-9-]{0,62}$' IS NOT FALSE THEN
    problem := 'the job must be named like queue.verb-object';
  ELSIF jsonb_typeof(payload) IS DISTINCT FROM 'object' THEN
    problem := 'the payload must be a JSON object';
  ELSIF octet_length(body) > 262144 THEN
    problem := 'the payload is larger than 256 KB; keep big data elsewhere';
  ELSIF payload @? 'strict $.**{31 to last} ? (@.type() == "object" || @.type() == "array")' THEN
    problem := 'the payload is nested more than 31 deep';
  ELSIF body ~ '"(__proto__|constructor)": '
    AND payload @? 'strict $.** ? (exists(@."__proto__") || exists(@."constructor"))' THEN
    problem := 'the payload has a key "__proto__" or "constructor"';
  ELSIF body ~ '[0-9]{16}' AND payload @? 'strict $.** ? (@ > 9007199254740991 || @ < -9007199254740991)' THEN
    problem := 'the payload has a number beyond 2^53 - 1; send it as a string';
  ELSIF jsonb_typeof(given) <> 'object' THEN
    problem := 'the options must be a JSON object';
  ELSE
    SELECT format('option "%s" %s', left(option.key, 64), CASE
        WHEN rule.fits IS NULL THEN 'is not known; there are attempts, delayMs, idempotencyKey, priority, runAt, '
          'tags, tenant and timeoutMs'
        ELSE rule.says END)
      INTO problem
      FROM jsonb_each(given) AS option
      LEFT JOIN (VALUES
        ('attempts', jsonpath 'strict $ >= 1 && $ <= 25 && $.floor() == $', 'must be a whole number, 1 to 25'),
        ('delayMs', jsonpath 'strict $ >= 0 && $ <= 31536000000 && $.floor() == $',
          'must be a whole number of milliseconds, at most a year'),
        ('idempotencyKey', jsonpath 'strict $ like_regex "^.{1,255}$" flag "s"', 'must be a text of 1 to 255 characters'),
        ('priority', jsonpath 'strict $ >= 0 && $ <= 100 && $.floor() == $', 'must be a whole number, 0 to 100'),
        ('runAt', jsonpath 'strict $ like_regex '
          '"^[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?(Z|[+-][0-9]{2}:[0-9]{2})$"',
          'must be an ISO 8601 time with its zone'),
        ('tags', jsonpath 'strict $.type() == "array" && $.size() <= 10 && '
          '!exists($[*] ? (@.type() != "string" || !(@ like_regex "^.{1,64}$" flag "s")))',
          'must be at most 10 texts of 1 to 64 characters'),
        ('tenant', jsonpath 'strict $ like_regex "^[a-z0-9-]{1,64}$"', 'must be 1 to 64 characters of a-z, 0-9 and -'),
        ('timeoutMs', jsonpath 'strict $ >= 100 && $ <= 86400000 && $.floor() == $',
          'must be a whole number of milliseconds, 100 to 86400000')
      ) AS rule (name, fits, says) ON rule.name = option.key
      WHERE rule.fits IS NULL OR (option.value @@ rule.fits) IS NOT TRUE
      ORDER BY option.key LIMIT 1;
  END IF;
  IF problem IS NULL AND given ?& ARRAY['delayMs', 'runAt'] THEN
    problem := 'give option "delayMs" or "runAt", not both';
  END IF;
  IF problem IS NULL THEN
    starts := CASE
      WHEN given ? 'runAt' THEN date_trunc('milliseconds', (given ->> 'runAt')::timestamptz)
      WHEN (given -> 'delayMs')::numeric > 0 THEN requested + (given -> 'delayMs')::numeric * interval '1 millisecond'
    END;
    IF starts > latest THEN problem := 'option "runAt" must be within a year from now'; END IF;
  END IF;
  IF problem IS NOT NULL THEN
    RAISE EXCEPTION 'millrace_enqueue: %', problem USING ERRCODE = 'invalid_parameter_value';
  END IF;

  -- As jobIdFor in src/queue/envelope.ts; a test compares the two.
  job_id := split_part(job, '.', 1) || '_' || CASE
    WHEN key IS NULL THEN
      lpad(to_hex((extract(epoch FROM requested) * 1000)::bigint), 12, '0') || left(random, 10) || right(random, 10)
    ELSE encode(sha256(convert_to(
      (SELECT string_agg(octet_length(convert_to(part, 'UTF8')) || ':' || part, '' ORDER BY place)
         FROM unnest(ARRAY[tenant, job, 'key', key]) WITH ORDINALITY AS parts (part, place)), 'UTF8')), 'hex')
  END;
  INSERT INTO ${table} (id, tenant, job, payload, requested_at, run_at, attempts, priority, timeout_ms, tags,
      idempotency_key)
    VALUES (job_id, tenant, job, payload, requested, starts, (given -> 'attempts')::integer,
      (given -> 'priority')::integer, (given -> 'timeoutMs')::integer, given -> 'tags', key);
  PERFORM pg_notify(${channel}, '');
  RETURN job_id;
END
$millrace$`;
