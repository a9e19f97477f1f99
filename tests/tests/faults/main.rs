//! What must hold, whatever fails: every promise of the queue, every fault that it is made under, and every way in which
//! other queues are known to have broken theirs. Each against a real PostgreSQL with real workers, or named where it is
//! shown already.
//!
//! | what must hold | shown by |
//! |---|---|
//! | no job is lost | every test below that ends with `Queue::at_rest`; `chaos` |
//! | no success is recorded by a fenced worker | [`process`]`::a_worker_that_was_paused_for_a_day_writes_nothing_and_works_again`, `worker::rescue::a_worker_that_lost_its_lease_can_write_nothing`, `queue_sql::claim::a_stale_epoch_can_write_nothing` |
//! | a callback's effect exactly once per job | every test that ends with `Queue::at_rest`; `chaos` |
//! | never more running than the limit | `chaos`; the tests of limits |
//! | nothing left behind: connections, advisory locks, leases, keys, rows | [`process`]`::a_worker_leaves_no_connection_lock_lease_or_row_whether_it_stops_or_is_killed`, `Queue::at_rest`; processes, cgroups and containers belong to runners that do not exist yet |
//!
//! | under | shown by |
//! |---|---|
//! | kill -9 of a worker, before and in its claim | [`kill`]`::workers_killed_at_any_moment_lose_no_job_and_double_no_effect`, `a_worker_killed_while_it_claims_leaves_its_jobs_to_another` |
//! | … during the call | [`kill`]`::the_jobs_of_a_killed_worker_go_on_within_fifteen_seconds` |
//! | … between answer and completion | `e2e_payments::a_worker_killed_between_answer_and_completion_charges_once` |
//! | … in the callback | [`kill`]`::a_worker_killed_during_a_callback_has_it_run_once` |
//! | PostgreSQL restarted, and crashed | [`server`]`::workers_outlive_a_restart_and_a_crash_of_postgresql` |
//! | its backends terminated | `worker::completion::a_worker_survives_the_loss_of_all_its_connections` |
//! | the connection half open | [`network`]`::a_half_open_worker_stops_its_jobs_before_another_one_runs_them_and_recovers` |
//! | … slow, reset, cut off in the middle of an answer | [`network`]`::a_network_that_delays_resets_and_cuts_loses_no_job_and_doubles_no_effect` |
//! | the database away, and back | [`network`]`::all_duties_are_back_within_seconds_after_an_outage` |
//! | one connection of a worker stalled, and all others in order | [`network`]`::jobs_start_soon_although_one_of_their_workers_connections_stalls`, `lost_jobs_are_taken_back_soon_although_the_connection_for_that_stalls`; `chaos` |
//! | a failover that leads to a server that is read-only | [`network`]`::a_connection_to_a_standby_is_given_up_and_the_next_one_leads_to_the_primary`, `worker::waits::a_worker_leaves_a_server_that_has_become_read_only`; `chaos` |
//! | an open transaction that has cancelled jobs that run | `worker::waits::a_job_that_an_open_transaction_cancels_ends_later_and_those_beside_it_now`; `chaos` |
//! | newer calls of one key, beside all of these | `chaos`, whose displays show the last value and were never told of two at once |
//! | pool exhausted | [`application`]`::a_worker_starts_works_and_stops_while_the_applications_pool_is_exhausted` |
//! | clock of the worker wrong by an hour | [`process`]`::workers_whose_clocks_are_an_hour_off_run_every_job_once_and_in_its_time` |
//! | a transaction that holds xmin | [`application`]`::the_cost_of_a_claim_stays_the_same_while_a_transaction_holds_back_vacuum` |
//! | a transaction that holds the notify gate and rolls back | [`application`]`::jobs_queued_behind_a_held_notify_gate_are_found_by_polling`; `queue_sql::locks::slow_enqueuers_keep_no_wake_up_from_others` |
//! | a user's lock on a callback's row | [`application`]`::a_users_lock_sets_its_own_callback_aside_and_holds_up_no_other` |
//! | an open transaction that cancels a job | `worker::waits::a_job_that_an_open_transaction_cancels_ends_later_and_those_beside_it_now`, `queue_sql::locks` |
//! | a callback that takes its time | `worker::waits::a_callback_that_takes_its_time_delays_no_other_duty` |
//! | a server that has become read-only | `worker::waits::a_worker_leaves_a_server_that_has_become_read_only` |
//! | a migration under way | `worker::waits::what_fails_while_a_migration_is_under_way_is_said_again_and_no_success_is_lost` |
//! | disk full | [`server`]`::on_a_full_disk_results_wait_for_room_and_no_call_is_repeated` |
//! | two registries' versions at once | [`versions`]`::an_older_worker_leaves_the_jobs_of_a_newer_operation_alone`, `the_policy_of_the_worker_decides_and_not_that_of_the_jobs_queueing` |
//! | workers paused for a day | [`process`]`::a_worker_that_was_paused_for_a_day_writes_nothing_and_works_again` |
//!
//! | bug of others | shown not to be ours by |
//! |---|---|
//! | rescue overwrites a finished job | `queue_sql::rescue::a_finished_job_is_never_rescued`, `a_completion_under_way_is_not_rescued_from` |
//! | a job stuck in running for days | [`process`]`::no_job_stays_running_without_a_worker_that_runs_it` |
//! | age-only rescue runs a live job twice | `queue_sql::rescue::a_long_job_with_a_living_worker_is_left_alone` |
//! | the dead worker's row deleted before its jobs are found | [`process`]`::the_jobs_of_a_worker_whose_row_is_gone_are_found` |
//! | a crashed job holds its slot for ever | `chaos`, which finds no share of a limit with a dead worker; the tests of limits |
//! | LISTEN never re-established | [`network`]`::listen_is_taken_up_again_and_heard` |
//! | LIMIT ignored by the planner without a CTE | [`plans`]`::a_claim_takes_no_more_than_its_limit_whatever_the_planner_believes` |
//! | plan flip at 10,000 jobs of one group | [`plans`]`::ten_thousand_jobs_of_one_operation_do_not_change_what_a_claim_reads`, `queue_sql::plans` |
//! | a fetch without timeout hangs the worker | [`network`]`::a_call_that_is_never_answered_ends_by_itself_and_the_next_one_works` |
//! | a page of long jobs hides stuck ones behind it | [`plans`]`::a_page_of_long_jobs_does_not_hide_the_lost_ones_behind_it` |
//! | failure hook skipped on rescue | `queue_sql::rescue::the_third_crash_is_poison_and_runs_on_failure`; [`process`]`::a_worker_that_was_paused_for_a_day_writes_nothing_and_works_again` |
//! | poison job loops because recovery decrements attempts | [`kill`]`::a_job_that_kills_its_worker_is_given_up_after_the_third`, `queue_sql::rescue::crashes_count_apart_from_attempts` |
//! | an advisory lock stranded on a pooled connection by a cancelled future | [`application`]`::a_cancelled_migration_strands_no_lock_on_the_pools_connection`, `a_call_of_the_queue_that_is_cancelled_leaves_no_lock_and_no_half_of_a_change` |
//! | worker start takes a lock that queues behind pg_dump | [`application`]`::a_worker_starts_and_works_while_a_dump_holds_its_locks`, `while_pg_dump_runs` |
//! | global limit halves throughput | `benches/race` |
#![allow(clippy::unwrap_used, reason = "helpers of tests are not marked as tests")]

mod application;
mod kill;
mod network;
mod plans;
mod process;
mod server;
mod versions;

/// The worker that tests kill.
const WORKER: &str = env!("CARGO_BIN_EXE_task-worker");
