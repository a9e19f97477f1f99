//! Random sequences, one after the other, until one shows a difference; that one is cut down.

use std::{cell::RefCell, collections::BTreeMap, fmt::Write as _};

use anyhow::{Context, Result, bail, ensure};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use specql_tests::change::Change;

use crate::{
    database::{Queue, name_of},
    invariants::{INVARIANTS, KEYS_OF_ONE},
    model::{Answer, Model},
    step::{Forgery, ORDERS, Report, Step, WORKERS, sequence},
};

/// How often what happened.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) sequences: u32,
    pub(crate) steps: u32,
    pub(crate) answers: BTreeMap<String, u32>,
}

impl Figures {
    pub(crate) fn add(&mut self, other: Self) {
        self.sequences += other.sequences;
        self.steps += other.steps;
        for (answer, count) in other.answers {
            *self.answers.entry(answer).or_default() += count;
        }
    }

    fn note(&mut self, answer: &Answer) {
        self.steps += 1;
        let mut one = |what: &str| *self.answers.entry(what.to_owned()).or_default() += 1;
        match answer {
            Answer::Queued(jobs) => jobs.iter().for_each(|(_, twice)| one(if *twice { "duplicate" } else { "queued" })),
            Answer::Claimed(leases, _) => leases.iter().for_each(|_| one("claimed")),
            Answer::Results(results) => results.iter().for_each(|(_, result)| one(result)),
            Answer::Said(said) => one(said.split(' ').next().unwrap_or_default()),
            Answer::Held(_) | Answer::Count(_) | Answer::Nothing => {}
        }
    }
}

/// What a search came to.
#[derive(Debug)]
pub(crate) enum Found {
    Nothing(Figures),
    /// A sequence that cannot be made shorter, and what is wrong after it.
    Difference(Vec<Step>, String),
}

/// Runs so many sequences against a queue of their own, in which the given change was made.
pub(crate) fn search(seed: u64, sequences: u32, change: Option<&Change<'_>>) -> Result<Found> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let queue = RefCell::new(runtime.block_on(Queue::new(change))?);
    let figures = RefCell::new(Figures::default());
    let config = Config { cases: sequences, max_shrink_iters: 600, failure_persistence: None, ..Config::default() };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let outcome = runner.run(&sequence(), |steps| {
        runtime
            .block_on(run(&mut queue.borrow_mut(), &steps, &mut figures.borrow_mut()))
            .map_err(|difference| TestCaseError::fail(format!("{difference:#}")))
    });
    match outcome {
        Ok(()) => Ok(Found::Nothing(figures.into_inner())),
        Err(TestError::Fail(difference, steps)) => Ok(Found::Difference(steps, difference.to_string())),
        Err(TestError::Abort(reason)) => bail!("proptest gave up: {reason}"),
    }
}

/// What brings every job to its end: the workers of before are dead, the orders are well, and one worker does all.
fn last_steps() -> Vec<Step> {
    let report = Report { worker: 0, picks: 0, forgery: Forgery::None, answer_lost: false };
    let mut steps: Vec<Step> = (0..ORDERS).map(|order| Step::Break { order, broken: false }).collect();
    steps.extend((0..WORKERS).map(|worker| Step::Crash { worker }));
    steps.extend([
        Step::Rescue,
        Step::PassTime,
        Step::Promote,
        Step::RunCallbacks,
        Step::Claim { worker: 0, operations: 0b111, limit: u8::MAX, full_scan: true },
        Step::Complete(report),
    ]);
    steps
}

/// One sequence, compared with the model after each step. What is wrong is told with all that came before it.
async fn run(queue: &mut Queue, steps: &[Step], figures: &mut Figures) -> Result<()> {
    let mut sequence = queue.begin().await?;
    let mut model = Model::default();
    let mut told = String::new();
    figures.sequences += 1;
    for step in steps.iter().chain(&last_steps()) {
        let Some(call) = model.resolve(step) else { continue };
        let answer = sequence.call(step, &call).await.with_context(|| format!("{told}  {step:?}"))?;
        figures.note(&answer);
        writeln!(told, "  {step:?} → {answer:?}")?;
        model.follow(step, &call, &answer).with_context(|| told.clone())?;

        let is: Vec<String> = sequence.state().await?;
        let should: Vec<String> = model.jobs.iter().map(ToString::to_string).collect();
        for (number, (is, should)) in is.iter().zip(&should).enumerate() {
            ensure!(is == should, "{told}\njob {number} is\n  {is}\nand should be\n  {should}");
        }
        let keys: Vec<_> = model
            .keys
            .iter()
            .map(|((operation, key), (job, rule))| {
                ((*operation).to_owned(), name_of(*key), *job, rule.name().to_owned())
            })
            .collect();
        let held = sequence.keys().await?;
        ensure!(held == keys, "{told}\nthe keys are\n  {held:?}\nand should be\n  {keys:?}");
    }
    for class in model.classes() {
        *figures.answers.entry(class.to_owned()).or_default() += 1;
    }
    ensure!(model.all_finished(), "{told}\nnot every job came to its end");
    for (sentence, query) in INVARIANTS.iter().chain(KEYS_OF_ONE) {
        let offenders = sequence.offenders(query).await?;
        ensure!(offenders.is_empty(), "{told}\nit does not hold that {sentence}: jobs {offenders:?}");
    }
    Ok(())
}
