//! `cargo xtask chaos`: customers at work while everything breaks; afterwards nothing may be lost, doubled or orphaned.

mod arena;
mod callers;
mod customer;
mod faults;
mod quiet;
mod verify;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use object_store::ObjectStore;
use object_store::ceph::{CephConfig, CephStore};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::workspace;
use arena::Arena;
use callers::Callers;
use customer::Customer;
use faults::Counts;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The same seed makes the same customers, commands and faults; their timing is the machine's [default: random]
    #[arg(long)]
    seed: Option<u64>,
    /// For how long things break
    #[arg(long, default_value_t = 5.0)]
    minutes: f64,
    /// How many customers work at once
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(i64).range(2..=100))]
    customers: i64,
    /// The program [default: it is built]
    #[arg(long)]
    purser: Option<PathBuf>,
}

/// What a run was like.
struct Summary {
    counts: Counts,
    settled: Duration,
    redeliveries: u64,
    repeated_events: u64,
    disturbed: u64,
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let seed = arguments.seed.unwrap_or_else(|| rand::random::<u32>().into());
    println!("== Chaos with --seed {seed} for {} minutes", arguments.minutes);
    let purser = match arguments.purser.clone() {
        Some(path) => path.canonicalize().with_context(|| format!("there is no {}", path.display()))?,
        None => workspace::build_purser(workspace::Profile::Dev).await?,
    };
    let dir = tempfile::Builder::new().prefix("chaos").tempdir_in("/var/tmp")?;
    let arena = Arena::start(dir.path(), &purser, arguments.customers, seed).await?;
    let logs = arena.deployment.dir().join("log");
    let outcome = hurt_and_verify(&arena, &arguments, seed).await;
    if !matches!(outcome, Ok(true)) {
        let kept = workspace::root().join(format!("target/chaos-{seed}"));
        let copied = std::process::Command::new("cp").arg("-rT").arg(&logs).arg(&kept).status();
        println!("   the logs are in {} ({copied:?})", kept.display());
    }
    arena.stop().await?;
    if !outcome? {
        bail!("chaos with --seed {seed} found something");
    }
    Ok(())
}

/// True where everything held.
async fn hurt_and_verify(arena: &Arena, arguments: &Arguments, seed: u64) -> Result<bool> {
    let mut slots = arena.start_roles().await?;
    let callers = Callers::connect(arena, arguments.customers).await?;
    let store = Arc::new(direct_store(arena)?);
    let redeliveries = quiet::Redeliveries::default();
    let counting = tokio::spawn(redeliveries.clone().count(arena.management()?, arena.deployment.name().to_owned()));
    let end = CancellationToken::new();
    let mut living = JoinSet::new();
    for id in 1..=arguments.customers {
        let customer = Customer::new(id, seed, Arc::clone(&callers), Arc::clone(&store));
        living.spawn(customer.live(end.clone()));
    }
    let healed_at = Instant::now() + Duration::from_secs_f64(arguments.minutes * 60.0);
    println!("== Breaking things");
    let (counts, store_counts) = tokio::join!(
        faults::disturb(arena, &mut slots, seed, healed_at),
        faults::trouble_the_store(arena, seed, healed_at)
    );
    let mut counts = counts?;
    counts.extend(store_counts);
    println!("== Healed; waiting for the last answers");
    end.cancel();
    let mut customers = Vec::new();
    while let Some(lived) = living.join_next().await {
        customers.push(lived??);
    }
    println!("== Waiting until nothing is under way");
    let settled = quiet::wait(arena).await?;
    println!("== Looking everywhere");
    let repeated_events = verify::verify(arena, &store, &callers, &customers, seed).await?;
    counting.abort();
    let parked = quiet::parked(arena, &callers.refused_unheard()).await?;
    for (what, count) in &parked.others {
        callers.complain(format!("{count} parked in {what}"));
    }
    let summary = Summary {
        counts,
        settled,
        redeliveries: redeliveries.total(),
        repeated_events,
        disturbed: arena.store.disturbed(),
    };
    report(&summary, &callers, &parked);
    clean_up(&store, &customers).await;
    Ok(callers.complaints().is_empty())
}

fn direct_store(arena: &Arena) -> Result<CephStore> {
    let url: url::Url = arena.direct.rgw_url.parse().context("RGW's address")?;
    let config = CephConfig {
        admin_url: url.clone(),
        s3_url: url,
        admin_access_key: arena.direct.rgw_access_key.clone(),
        admin_secret_key: arena.direct.rgw_secret_key.clone().into(),
        request_timeout: Duration::from_mins(1),
    };
    Ok(CephStore::new(config)?)
}

fn report(summary: &Summary, callers: &Callers, parked: &quiet::Parked) {
    let told = callers.told();
    let commands = told.len();
    let sent: u64 = told.iter().map(|told| u64::from(told.sent)).sum();
    let kills: u64 = summary.counts.iter().filter(|(what, _)| what.starts_with("killed")).map(|(_, count)| count).sum();
    println!("\nfaults:");
    for (what, count) in &summary.counts {
        println!("   {count:>6}  {what}");
    }
    println!("   {:>6}  requests that met with the store's trouble", summary.disturbed);
    println!("asked for:");
    for (action, count) in callers.asked() {
        println!("   {count:>6}  {action}");
    }
    let complaints = callers.complaints();
    println!("kills: {kills}");
    println!("commands: {commands}, each answered once; sent {sent} times, {} of them repeats", sent - commands as u64);
    println!("redeliveries by the broker: {}", summary.redeliveries);
    println!("events published again: {}, all recognised by their id", summary.repeated_events);
    println!("refused with nobody to tell, and parked for a person: {}", parked.refused_unheard.len());
    println!("parked otherwise: {}", parked.others.values().sum::<u64>());
    println!("at rest {:.0} s after the last answer", summary.settled.as_secs_f64());
    println!("lost, doubled, orphaned or wrong: {}", complaints.len());
    for complaint in complaints {
        println!("   ! {complaint}");
    }
}

/// The store is shared and stays; the users of this run go. One that can't be deleted is no finding.
async fn clean_up(store: &CephStore, customers: &[Customer]) {
    for account in customers.iter().flat_map(|customer| &customer.accounts).filter(|account| !account.is_deleted) {
        for bucket in account.buckets.keys() {
            let _ = store.purge_bucket(bucket).await;
        }
        if let Ok(uid) = account.s3uid.parse() {
            let _ = store.delete_user(&uid).await;
        }
    }
}
