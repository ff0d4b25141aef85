//! `cargo xtask demo`: Purser's main job on real input, over RabbitMQ and over HTTP, with every value checked.

mod caller;
mod checks;
mod files;
mod job;

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, anyhow, bail};
use clap::Args;
use messages::Encoding;
use test_support::amqp::{self, AmqpCaller};
use test_support::deployment::FRONTEND_USER;
use test_support::http::HttpCaller;
use test_support::services::Progress;
use test_support::world::CUSTOMER_ID;
use tokio::signal::unix::{SignalKind, signal};

use crate::dev::{self, Dev};
use caller::Caller;
pub(crate) use checks::Checks;
use job::Job;

#[derive(Args)]
pub(crate) struct Arguments {
    /// End afterwards, with exit code 0 only if everything was as it must be
    #[arg(long)]
    exit: bool,
}

/// Ctrl-C ends it at any time and stops what it has started; what `up` has started goes on.
pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let mut dev = Dev::at_rest()?;
    let progress = Arc::new(say());
    let (mut ctrl_c, mut terminated) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut ended = async move || {
        tokio::select! {
            _ = ctrl_c.recv() => {}
            _ = terminated.recv() => {}
        }
    };
    let outcome = tokio::select! {
        outcome = show(&mut dev, &progress) => outcome,
        () = ended() => {
            progress.interrupt();
            Err(anyhow!("interrupted before the end"))
        }
    };
    if outcome.is_ok() && !arguments.exit {
        println!("\nIt stays up until Ctrl-C.");
        ended().await;
    }
    println!("\n== Stopping what was started");
    dev.stop(Arc::new(say())).await?;
    let checks = outcome?;
    if !checks.all_passed() {
        bail!("{}", checks.summary());
    }
    Ok(())
}

fn say() -> Progress {
    Progress::new(|line| println!("   {line}"))
}

async fn show(dev: &mut Dev, progress: &Arc<Progress>) -> Result<Checks> {
    let started = Instant::now();
    println!("== Starting everything");
    dev.start(progress).await?;
    println!("   all ready in {:.1} s", started.elapsed().as_secs_f64());

    let mut checks = Checks::default();
    let (deployment, token) = (dev.deployment()?, dev.customer_token()?);
    main_job(&deployment.amqp_url(FRONTEND_USER), &deployment.gateway_url(), token, &mut checks).await?;
    println!("\n== {} in {:.1} s", checks.summary(), started.elapsed().as_secs_f64());
    print_how_to_call();
    Ok(checks)
}

/// The job as it was done over HTTP.
pub(crate) struct Done {
    job: Job,
    s3uid: String,
}

impl Done {
    /// Checks that the account and its files are there still.
    pub(crate) async fn read_again(&self, checks: &mut Checks) -> Result<()> {
        self.job.read_again(&self.s3uid, checks).await
    }
}

/// Does the main job over RabbitMQ, then over HTTP; `amqp_url` is the PHP frontend's, `token` that of [`CUSTOMER_ID`].
pub(crate) async fn main_job(amqp_url: &str, gateway_url: &str, token: &str, checks: &mut Checks) -> Result<Done> {
    let frontend = AmqpCaller::connect(amqp_url, amqp::customer(CUSTOMER_ID)).await?;
    println!("\n== As the PHP frontend: MessagePack over RabbitMQ, as broker user {FRONTEND_USER}");
    Job::new(Caller::Amqp(frontend.clone(), Encoding::MessagePack), "amqp").run(checks).await?;
    frontend.close().await;
    println!("\n== As a customer: HTTP, at {gateway_url}/s3.php");
    let job = Job::new(Caller::Http(HttpCaller::new(gateway_url, Some(token))?), "http");
    let s3uid = job.run(checks).await?;
    Ok(Done { job, s3uid })
}

fn print_how_to_call() {
    println!("\nCall it yourself:");
    println!("   . {}", dev::env_file().display());
    println!(
        "   curl -s $PURSER_GATEWAY_URL/s3.php -H \"Authorization: Bearer $PURSER_CUSTOMER_TOKEN\" -d action=list_plans"
    );
    println!("   curl -s $PURSER_GATEWAY_URL/s3.php -H \"Authorization: Bearer $PURSER_CUSTOMER_TOKEN\" \\");
    println!("        -d action=create_order -d plan_id=1 -d bucket_name=my-first-bucket-$RANDOM");
}
