ALTER TABLE "WorkerSession" ADD COLUMN     "isFollowUp" BOOLEAN NOT NULL DEFAULT false;

-- Appends what an agent said and did together with where the talk with it stands and how far its output was
-- read. The talk's version makes a repeat of what was committed, but whose answer was lost, change nothing.
-- False: another attempt took over, or the session has ended.
CREATE FUNCTION append_talk(
  session uuid, of_attempt integer, to_stdout bigint, to_stderr bigint, next_talk jsonb, events jsonb,
  conversation text, input_tokens integer, output_tokens integer, cost_usd double precision
) RETURNS boolean LANGUAGE plpgsql AS $$
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
    IF jsonb_array_length(events) > 0 THEN
      PERFORM append_events(jsonb_build_array(jsonb_build_object('stream', stream, 'events', events)));
    END IF;
    RETURN true;
  END IF;
  PERFORM 1 FROM "WorkerSession"
    WHERE id = session AND attempt = of_attempt AND status IN ('RUNNING', 'WAITING')
      AND talk ->> 'version' = next_talk ->> 'version';
  RETURN FOUND;
END
$$;
