//! Purser on RabbitMQ, PostgreSQL and Ceph in containers. Each test has its own, through testcontainers, and freezes or
//! kills them as one can't do with those that all tests share.
//!
//! [`in_containers`] finds Docker, or starts a private one, and runs the others with its address. Where no Docker can
//! run it says so.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as loudly as the test itself")]

mod broker;
mod container;
mod database;
mod main_job;
mod store;

use std::env;
use std::io::Write as _;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use test_support::docker::{Docker, output};
use test_support::services::Progress;
use tokio::runtime::Runtime;

/// How long anything may take on a busy machine.
const LIMIT: Duration = Duration::from_mins(3);

/// Runs a test. All of them share a runtime, because they share testcontainers' connections to Docker, which would
/// hang when the runtime that opened them ends with its test.
fn run(test: impl Future<Output = ()>) {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
    RUNTIME.block_on(test);
}

#[test]
fn in_containers() {
    let progress = Progress::new(|line| println!("{line}"));
    let docker = match Docker::find_or_start(&progress) {
        Ok(docker) => docker,
        Err(error) => {
            // Past the test harness, which keeps what a test that passes prints.
            let _ = writeln!(std::io::stderr(), "services in containers were NOT tested: no Docker can run: {error:#}");
            return;
        }
    };
    let images = docker.images(&progress).unwrap();
    let mut tests = Command::new(env::current_exe().unwrap());
    tests.args(["--ignored", "--test-threads=2"]).envs(images.variables());
    docker.address(&mut tests);
    println!("{}", output(&mut tests, "the tests in containers").unwrap());
}
