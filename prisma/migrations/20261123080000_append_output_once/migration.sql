DROP FUNCTION append_output(uuid, integer, bigint, bigint, jsonb);

-- Appends a worker's output together with how far its files were read, which went so far before: a repeat
-- of what was committed, but whose answer was lost, changes nothing. False: another attempt took over, or
-- the session has ended.
CREATE FUNCTION append_output(
  session uuid, of_attempt integer, from_stdout bigint, from_stderr bigint,
  to_stdout bigint, to_stderr bigint, events jsonb
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  stream uuid;
BEGIN
  UPDATE "WorkerSession" SET "stdoutOffset" = to_stdout, "stderrOffset" = to_stderr
    WHERE id = session AND attempt = of_attempt AND status IN ('RUNNING', 'WAITING')
      AND "stdoutOffset" = from_stdout AND "stderrOffset" = from_stderr
    RETURNING "streamId" INTO stream;
  IF FOUND THEN
    PERFORM append_events(jsonb_build_array(jsonb_build_object('stream', stream, 'events', events)));
    RETURN true;
  END IF;
  PERFORM 1 FROM "WorkerSession"
    WHERE id = session AND attempt = of_attempt AND status IN ('RUNNING', 'WAITING')
      AND "stdoutOffset" = to_stdout AND "stderrOffset" = to_stderr;
  RETURN FOUND;
END
$$;
