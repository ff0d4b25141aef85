//! `cargo xtask compose`: `docker compose up --wait` from this tree, and the main job done from outside.

mod end_to_end;
mod monitoring;
mod project;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;
use test_support::docker::Docker;
use test_support::services::Progress;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::demo;
use crate::workspace::{self, Profile};
use project::Project;

/// The four roles, and RabbitMQ twice: its queues, and itself.
const TARGETS: usize = 6;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The program that goes into the image, in place of a new build of this tree
    #[arg(long)]
    purser: Option<PathBuf>,
    /// The end-to-end tests that run against the stack: parts of their names; `all` for all of them
    #[arg(long, value_delimiter = ',', default_value = end_to_end::DEFAULT)]
    tests: Vec<String>,
    /// Where no Docker can run, say so and end with exit code 0
    #[arg(long)]
    skip_without_docker: bool,
}

/// Everything that it starts is taken down again; images stay for the next time.
pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let binary = match arguments.purser {
        Some(binary) => binary,
        None => workspace::build_purser(Profile::Dev).await?,
    };
    let progress = Arc::new(Progress::new(|line| println!("   {line}")));
    // From now on Ctrl-C ends what runs, and the guards take the rest down.
    let mut interrupted = signal(SignalKind::interrupt())?;
    println!("== Docker, and images with this machine's build of purser");
    let started = Instant::now();
    let runtime = tokio::runtime::Handle::current();
    let work = move || {
        let docker = match Docker::find_or_start(&progress) {
            Err(error) if arguments.skip_without_docker => {
                let why = format!("{error:#}").replace('\n', " ");
                println!("SKIPPED: no Docker can run here: {why}");
                return Ok(());
            }
            docker => docker?,
        };
        let compose = docker.compose(&progress)?;
        let images = docker.images_with_purser(&binary, &progress)?;
        println!("   all made after {:.1} s", started.elapsed().as_secs_f64());
        let project = Project::new(&docker, compose, images)?;
        let checks = runtime.block_on(use_it(&project, &mut interrupted))?;
        println!("\n== End-to-end tests, with roles of their own on its RabbitMQ, PostgreSQL and Ceph");
        runtime.block_on(end_to_end::run(&project, &arguments.tests, &mut interrupted))?;
        println!("\n== {} after {:.1} s; taking everything down", checks.summary(), started.elapsed().as_secs_f64());
        if !checks.all_passed() {
            bail!("{}", checks.summary());
        }
        Ok(())
    };
    tokio::task::spawn_blocking(work).await?
}

async fn use_it(project: &Project<'_>, interrupted: &mut Signal) -> Result<demo::Checks> {
    println!("\n== docker compose up --wait");
    let started = Instant::now();
    project.up()?;
    println!("   all healthy after {:.1} s", started.elapsed().as_secs_f64());
    println!("{}", project.doctor()?);
    let (amqp_url, token) = (project.amqp_url()?, project.customer_token()?);
    let mut checks = demo::Checks::default();
    let gateway_url = project.gateway_url();
    let done = tokio::select! {
        done = demo::main_job(&amqp_url, &gateway_url, &token, &mut checks) => done?,
        _ = interrupted.recv() => bail!("interrupted before the end"),
    };
    println!("\n== docker compose down, and up --wait again with the same volumes");
    let started = Instant::now();
    project.start_again()?;
    println!("   all healthy again after {:.1} s", started.elapsed().as_secs_f64());
    done.read_again(&mut checks).await?;
    println!("\n== The profile monitoring");
    let targets = monitoring::targets_up(&project.start_prometheus()?).await?;
    checks.equal("targets that Prometheus reads", &targets.len(), &TARGETS);
    println!("   {}", targets.join(", "));
    Ok(checks)
}
