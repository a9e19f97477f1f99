//! What holds jobs back, ends them or sends them elsewhere, over two workers and a real PostgreSQL.
//!
//! | over two workers | shown by |
//! |---|---|
//! | circuit breaker | [`breakers`]`::a_service_that_fails_is_left_alone_and_one_call_finds_out_when_it_works_again` |
//! | rate limit | [`limits`]`::no_more_jobs_start_in_a_second_than_the_rate_over_all_workers` |
//! | concurrency limit | [`limits`]`::never_more_jobs_run_than_the_limit_over_all_workers`, `a_worker_that_died_does_not_keep_its_slots`, `a_live_workers_slots_are_not_taken_from_it` |
//! | pause | [`pause`]`::a_paused_services_jobs_wait_on_all_workers_until_it_is_resumed` |
//! | fairness between tenants | [`fairness`]`::a_tenant_with_many_jobs_does_not_delay_anothers_one` |
//! | cancel in every state | [`cancel`]`::a_job_is_cancelled_in_every_state_in_which_its_call_is_not_over` |
//! | schedule: each time once | `worker::schedules::each_time_is_run_once_over_two_workers_that_lose_their_connections_and_one_that_dies` |
//! | schedule: time zone | `worker::schedules::on_both_workers_a_schedule_goes_by_the_clocks_of_its_time_zone` |
//! | schedule: catch-up | `worker::schedules::two_workers_skip_missed_times_or_catch_up_with_one_or_each_of_them` |
//! | fallback, only where it is safe | [`fallback`]`::a_call_that_could_not_be_started_three_times_is_made_by_the_fallback`, `after_a_call_of_unknown_outcome_no_fallback_is_called_ever`, `what_a_fallback_may_have_done_is_repeated_by_that_fallback_alone` |
//! | retention by outcome | [`retention`]`::completed_cancelled_and_failed_jobs_are_each_kept_for_their_own_time` |
#![allow(clippy::unwrap_used, reason = "helpers of tests are not marked as tests")]

mod breakers;
mod cancel;
mod documentation;
mod fairness;
mod fallback;
mod limits;
mod pause;
mod project;
mod retention;
mod retry_after;
