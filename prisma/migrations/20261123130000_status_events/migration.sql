-- A worker's few status changes among its many other events: read for lists of workers, without the rest.
CREATE INDEX "Event_status_changes" ON "Event" ("streamId", sequence) WHERE type = 'status';
