-- Who may read jobs by plain SQL. The owner is not bound, so that the functions above pay nothing for it; any other role
-- to which a table is granted sees the jobs of the tenant for which it acts, and without one none.

-- object: policy default of tenant_id ON jobs.tb_job_run
-- drop: ALTER TABLE jobs.tb_job_run ALTER COLUMN tenant_id DROP DEFAULT
-- A plain INSERT is in the name of the session's tenant. (Apart from the table, which an upgrade leaves as it is.)
ALTER TABLE jobs.tb_job_run ALTER COLUMN tenant_id SET DEFAULT nullif(current_setting('app.tenant_id', true), '')::uuid;

-- object: policy row level security ON jobs.tb_job_run
-- drop: ALTER TABLE jobs.tb_job_run DISABLE ROW LEVEL SECURITY
ALTER TABLE jobs.tb_job_run ENABLE ROW LEVEL SECURITY;

-- object: policy row level security ON jobs.tb_job_run_p0
-- drop: ALTER TABLE jobs.tb_job_run_p0 DISABLE ROW LEVEL SECURITY
ALTER TABLE jobs.tb_job_run_p0 ENABLE ROW LEVEL SECURITY;

-- object: policy row level security ON jobs.tb_job_run_default
-- drop: ALTER TABLE jobs.tb_job_run_default DISABLE ROW LEVEL SECURITY
ALTER TABLE jobs.tb_job_run_default ENABLE ROW LEVEL SECURITY;

-- object: policy row level security ON jobs.tb_job_outcome
-- drop: ALTER TABLE jobs.tb_job_outcome DISABLE ROW LEVEL SECURITY
ALTER TABLE jobs.tb_job_outcome ENABLE ROW LEVEL SECURITY;

-- object: policy row level security ON jobs.tb_job_outcome_p0
-- drop: ALTER TABLE jobs.tb_job_outcome_p0 DISABLE ROW LEVEL SECURITY
ALTER TABLE jobs.tb_job_outcome_p0 ENABLE ROW LEVEL SECURITY;

-- object: policy row level security ON jobs.tb_job_outcome_default
-- drop: ALTER TABLE jobs.tb_job_outcome_default DISABLE ROW LEVEL SECURITY
ALTER TABLE jobs.tb_job_outcome_default ENABLE ROW LEVEL SECURITY;

-- object: policy row level security ON jobs.tb_job_attempt
-- drop: ALTER TABLE jobs.tb_job_attempt DISABLE ROW LEVEL SECURITY
ALTER TABLE jobs.tb_job_attempt ENABLE ROW LEVEL SECURITY;

-- object: policy row level security ON jobs.tb_job_attempt_p0
-- drop: ALTER TABLE jobs.tb_job_attempt_p0 DISABLE ROW LEVEL SECURITY
ALTER TABLE jobs.tb_job_attempt_p0 ENABLE ROW LEVEL SECURITY;

-- object: policy row level security ON jobs.tb_job_attempt_default
-- drop: ALTER TABLE jobs.tb_job_attempt_default DISABLE ROW LEVEL SECURITY
ALTER TABLE jobs.tb_job_attempt_default ENABLE ROW LEVEL SECURITY;

-- object: policy row level security ON jobs.tb_job_callback
-- drop: ALTER TABLE jobs.tb_job_callback DISABLE ROW LEVEL SECURITY
ALTER TABLE jobs.tb_job_callback ENABLE ROW LEVEL SECURITY;

-- object: policy tenant ON jobs.tb_job_run
CREATE POLICY tenant ON jobs.tb_job_run
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id IS NOT DISTINCT FROM nullif(current_setting('app.tenant_id', true), '')::uuid);

-- object: policy tenant ON jobs.tb_job_outcome
-- Those of the jobs that the reader sees.
CREATE POLICY tenant ON jobs.tb_job_outcome FOR SELECT
    USING (EXISTS (SELECT FROM jobs.tb_job_run AS j WHERE j.pk_job_run = tb_job_outcome.pk_job_run));

-- object: policy tenant ON jobs.tb_job_attempt
-- Those of the jobs that the reader sees.
CREATE POLICY tenant ON jobs.tb_job_attempt FOR SELECT
    USING (EXISTS (SELECT FROM jobs.tb_job_run AS j WHERE j.pk_job_run = tb_job_attempt.pk_job_run));

-- object: policy tenant ON jobs.tb_job_callback
-- Those of the jobs that the reader sees.
CREATE POLICY tenant ON jobs.tb_job_callback FOR SELECT
    USING (EXISTS (SELECT FROM jobs.tb_job_run AS j WHERE j.pk_job_run = tb_job_callback.pk_job_run));
