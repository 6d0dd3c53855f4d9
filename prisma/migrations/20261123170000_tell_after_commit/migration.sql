-- Transactions that notify wait for each other from NOTIFY to the end of their commit, so that they reach the
-- disk one by one (PreCommit_Notify in Postgres's src/backend/commands/async.c). Most of what is stored is
-- what workers print and say: its transactions are quiet, and who made them tells of them afterwards. Where
-- that is lost with a killed server, subscribers find it when they look for themselves.

-- As before; an append with "quiet": true is told by the caller, after the commit.
CREATE OR REPLACE FUNCTION append_events(appends jsonb) RETURNS integer[] LANGUAGE plpgsql AS $$
DECLARE
  append jsonb;
  stream_key text;
  last integer;
  count integer;
  result integer[] := '{}';
BEGIN
  FOR append IN SELECT value FROM jsonb_array_elements(appends) LOOP
    count := jsonb_array_length(append -> 'events');
    UPDATE "Stream" SET "lastSequence" = "lastSequence" + count
      WHERE id = (append ->> 'stream')::uuid
      RETURNING "lastSequence", key INTO last, stream_key;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'append_events: there is no stream %', append ->> 'stream';
    END IF;
    INSERT INTO "Event" ("streamId", sequence, at, type, payload)
      SELECT (append ->> 'stream')::uuid, last - count + ordinality,
             coalesce((event ->> 'at')::timestamptz, clock_timestamp()), event ->> 'type', event -> 'payload'
      FROM jsonb_array_elements(append -> 'events') WITH ORDINALITY AS e(event, ordinality);
    IF (append -> 'quiet') IS DISTINCT FROM 'true'::jsonb THEN
      PERFORM pg_notify('factory', jsonb_build_object('topic', 'stream:' || stream_key, 'sequence', last,
        'subjects', coalesce(append -> 'subjects', '[]'))::text);
    END IF;
    result := result || last;
  END LOOP;
  RETURN result;
END
$$;

-- append_output and append_talk, quietly: they return the stream's last sequence, to be told, also where the
-- call repeats one whose answer was lost; null where another attempt took over, or the session has ended.
-- The two before them stay for servers that are not replaced yet.
CREATE FUNCTION store_output(
  session uuid, of_attempt integer, from_stdout bigint, from_stderr bigint,
  to_stdout bigint, to_stderr bigint, events jsonb
) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  stream uuid;
BEGIN
  UPDATE "WorkerSession" SET "stdoutOffset" = to_stdout, "stderrOffset" = to_stderr
    WHERE id = session AND attempt = of_attempt AND status IN ('RUNNING', 'WAITING')
      AND "stdoutOffset" = from_stdout AND "stderrOffset" = from_stderr
    RETURNING "streamId" INTO stream;
  IF FOUND THEN
    RETURN (append_events(
      jsonb_build_array(jsonb_build_object('stream', stream, 'events', events, 'quiet', true))))[1];
  END IF;
  RETURN (SELECT s."lastSequence" FROM "WorkerSession" w JOIN "Stream" s ON s.id = w."streamId"
    WHERE w.id = session AND w.attempt = of_attempt AND w.status IN ('RUNNING', 'WAITING')
      AND w."stdoutOffset" = to_stdout AND w."stderrOffset" = to_stderr);
END
$$;

CREATE FUNCTION store_talk(
  session uuid, of_attempt integer, to_stdout bigint, to_stderr bigint, next_talk jsonb, events jsonb,
  conversation text, input_tokens integer, output_tokens integer, cost_usd double precision
) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  stream uuid;
BEGIN
  UPDATE "WorkerSession" SET "stdoutOffset" = to_stdout, "stderrOffset" = to_stderr, talk = next_talk,
      "conversationId" = coalesce(conversation, "conversationId"),
      "inputTokens" = coalesce(input_tokens, "inputTokens"),
      "outputTokens" = coalesce(output_tokens, "outputTokens"),
      "costUsd" = coalesce(cost_usd, "costUsd")
    WHERE id = session AND attempt = of_attempt AND status IN ('RUNNING', 'WAITING')
      AND (talk ->> 'version')::integer = (next_talk ->> 'version')::integer - 1
    RETURNING "streamId" INTO stream;
  IF FOUND THEN
    RETURN (append_events(
      jsonb_build_array(jsonb_build_object('stream', stream, 'events', events, 'quiet', true))))[1];
  END IF;
  RETURN (SELECT s."lastSequence" FROM "WorkerSession" w JOIN "Stream" s ON s.id = w."streamId"
    WHERE w.id = session AND w.attempt = of_attempt AND w.status IN ('RUNNING', 'WAITING')
      AND w.talk ->> 'version' = next_talk ->> 'version');
END
$$;
