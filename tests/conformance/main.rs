//! Conformance: every documented example, parameter and failure of both APIs, over every transport.
//!
//! The cases are `cases/*.yaml`; README.md says how to read them. `CONFORMANCE=text` runs only those in whose name or
//! file name the text stands.

mod case;
mod expect;
mod fixture;
mod run;
mod transport;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use futures_util::StreamExt;
use test_support::deployment::Settings;
use test_support::php::PhpServer;
use test_support::world::World;

use crate::case::{Case, Transport};
use crate::run::{Failure, Job, Runner};
use crate::transport::Doors;

const JOBS_AT_ONCE: usize = 8;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance")
}

/// What some cases count on.
fn settings() -> Settings {
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Settings {
        free_accounts_max: 2,
        // Files show when RGW tells of them: a thousand accounts are too many to be read all the time.
        has_notifications: true,
        sweep_interval_seconds: 20,
        variables: vec![
            variable("PURSER__BILLING__TAX_PERCENT__DE", "19.0"),
            variable("PURSER__BILLING__TAX_PERCENT__NL", "21.0"),
        ],
        ..Settings::default()
    }
}

/// A job for each transport, because commands change what they find; one for all where a case only reads.
fn jobs<'a>(cases: &'a [(String, Case)], filter: &str) -> Vec<Job<'a>> {
    let mut jobs = Vec::new();
    for (file, case) in cases.iter().filter(|(file, case)| file.contains(filter) || case.name.contains(filter)) {
        let transports = case.transports();
        if case.only_reads() {
            jobs.push(Job { file, case, transports });
        } else {
            jobs.extend(transports.into_iter().map(|transport| Job { file, case, transports: vec![transport] }));
        }
    }
    jobs
}

#[tokio::test(flavor = "multi_thread")]
async fn both_apis_are_as_documented_over_every_transport() {
    let started = Instant::now();
    let cases = case::load(&folder().join("cases")).unwrap_or_else(|error| panic!("{error:#}"));
    let filter = std::env::var("CONFORMANCE").unwrap_or_default();
    let jobs = jobs(&cases, &filter);
    assert!(!jobs.is_empty(), "no case has {filter:?} in its name");

    let world = World::start_with(settings(), &["all"]).await;
    let plans = folder().join("plans.toml");
    world.deployment.purser_ok(&["plan", "import", &plans.to_string_lossy()]).await.unwrap();
    let php = PhpServer::start(&world.deployment, &[("PURSER_PHP_REPLY_WAIT_SECONDS", "20")]).await;
    let php = php.unwrap_or_else(|error| panic!("starting the PHP drop-in: {error:#}"));
    let doors = Doors {
        http: test_support::http::client().unwrap(),
        gateway_url: world.deployment.gateway_url(),
        php_url: Some(php.url()),
        amqp: world.frontend().await,
    };
    let (waited_in_vain, tried_again) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let runner = Runner { world: &world, doors, waited_in_vain, tried_again };

    let runner = &runner;
    let mut results: Vec<_> = futures_util::stream::iter(jobs.iter().enumerate())
        .map(|(at, job)| async move { (at, runner.run(job).await) })
        .buffer_unordered(JOBS_AT_ONCE)
        .collect()
        .await;
    results.sort_by_key(|(at, _)| *at);
    let failures: Vec<Failure> = results.into_iter().flat_map(|(_, failures)| failures).collect();
    let runs: usize = jobs.iter().map(|job| job.transports.len()).sum();
    report(&jobs, runs, &failures, started);
    let tried_again = runner.tried_again.load(Ordering::Relaxed);
    if tried_again > 0 {
        eprintln!("{tried_again} answers asked to try again: this machine is overloaded, or something is slow");
    }
    if !failures.is_empty() {
        show_logged_errors(&world);
    }
    assert!(failures.is_empty(), "{} of {runs} runs are not as documented", failures.len());
}

fn report(jobs: &[Job<'_>], runs: usize, failures: &[Failure], started: Instant) {
    let names = |list: Vec<&str>| list.into_iter().collect::<std::collections::BTreeSet<_>>().len();
    let cases = names(jobs.iter().map(|job| job.case.name.as_str()).collect());
    let failed = names(failures.iter().map(|failure| failure.case.as_str()).collect());
    for failure in failures {
        eprintln!("\n{failure}");
    }
    eprintln!(
        "\n{cases} cases, {runs} runs, {} failed runs in {failed} cases, {:.0} s",
        failures.len(),
        started.elapsed().as_secs_f64()
    );
}

/// What the processes themselves had to say.
fn show_logged_errors(world: &World) {
    const LINES_MAX: usize = 20;
    for process in &world.processes {
        let log = process.log();
        log.lines().filter(|line| line.contains(" ERROR ")).take(LINES_MAX).for_each(|line| eprintln!("{line}"));
    }
}

#[test]
fn every_action_has_cases() {
    let cases = case::load(&folder().join("cases")).unwrap_or_else(|error| panic!("{error:#}"));
    let called = |name: &str| cases.iter().any(|(_, case)| case.call() == name);
    let missing: Vec<_> = messages::ACTIONS
        .iter()
        .filter(|spec| spec.api != messages::Api::Internal && !called(spec.name))
        .map(|spec| spec.name)
        .collect();
    assert!(missing.is_empty(), "no case calls {missing:?}");
    let covered = |transport| cases.iter().any(|(_, case)| case.transports().contains(&transport));
    let all = [
        Transport::HttpForm,
        Transport::HttpQuery,
        Transport::HttpJson,
        Transport::HttpRaw,
        Transport::AmqpMessagePack,
        Transport::AmqpJson,
        Transport::Php,
    ];
    assert!(all.into_iter().all(covered), "every transport has cases");
}
