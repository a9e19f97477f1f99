-- object: schema jobs
-- drop: DROP SCHEMA jobs
CREATE SCHEMA jobs;
COMMENT ON SCHEMA jobs IS 'The job queue: calls of outside services, queued in the transaction that needs them.';
