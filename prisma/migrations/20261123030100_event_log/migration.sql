-- One session occupies a worktree at a time. The first index guards the worktree itself, the second the
-- branch on its runner while the worktree is still being made.
CREATE UNIQUE INDEX "WorkerSession_occupies_worktree" ON "WorkerSession" ("worktreeId")
  WHERE "status" IN ('PREPARING', 'RUNNING', 'WAITING');
CREATE UNIQUE INDEX "WorkerSession_occupies_branch" ON "WorkerSession" ("repositoryId", "branch", "runnerId")
  WHERE "status" IN ('PREPARING', 'RUNNING', 'WAITING');

-- The queue in its order, for positions: higher priority first, then first come, first served.
CREATE INDEX "WorkerSession_queue" ON "WorkerSession" ("priority" DESC, "number") WHERE "status" = 'QUEUED';

-- Appends to streams: [{"stream": uuid, "events": [{"type", "payload", "at"?}], "subjects": [text]?}].
-- Numbers the events under each stream's row lock and tells of them on the channel "factory" when the
-- transaction commits. Call it as the last statement of the transaction that makes the events true:
-- the locks are held until its end. The caller passes streams in one order (by id) to rule out deadlocks.
CREATE FUNCTION append_events(appends jsonb) RETURNS integer[] LANGUAGE plpgsql AS $$
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
    PERFORM pg_notify('factory', jsonb_build_object('topic', 'stream:' || stream_key, 'sequence', last,
      'subjects', coalesce(append -> 'subjects', '[]'))::text);
    result := result || last;
  END LOOP;
  RETURN result;
END
$$;

-- Appends a worker's output and remembers how far its files were read, in one statement. Refused (false)
-- where the session has ended or another attempt took over: a runner that was cut off writes nothing.
CREATE FUNCTION append_output(session uuid, of_attempt integer, stdout bigint, stderr bigint, events jsonb)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  stream uuid;
BEGIN
  UPDATE "WorkerSession" SET "stdoutOffset" = stdout, "stderrOffset" = stderr
    WHERE id = session AND attempt = of_attempt AND status IN ('RUNNING', 'WAITING')
    RETURNING "streamId" INTO stream;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  PERFORM append_events(jsonb_build_array(jsonb_build_object('stream', stream, 'events', events)));
  RETURN true;
END
$$;
