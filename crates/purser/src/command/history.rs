//! `purser history`.

use anyhow::{Context, ensure};
use bus::{Bus, Replay, Replayed};
use chrono::TimeDelta;
use clap::{Args, Subcommand};
use history::{FullEntry, LogFilter};
use model::{Clock, PlainTime, S3Uid, SystemClock, Timestamp};
use runtime::config::Config;

use super::{bus_config, moment, owner_pool, progress, table};

const STREAM: &str = "s3.history";

/// What happened
#[derive(Debug, Subcommand)]
pub(crate) enum HistoryCommand {
    /// List entries, newest first
    List(List),
    /// Publish events once more, in their order, to an exchange of yours
    ///
    /// They keep ids, times and bodies, so that a consumer that knows an event's `ce-id` recognises it; `x-replayed-offset`
    /// tells them from the first time. What no queue is bound for is counted and passed over.
    Replay(ReplayArguments),
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only about this account
    #[arg(long, value_name = "S3UID", conflicts_with = "subject")]
    account: Option<S3Uid>,
    /// Only about this: account/S3UID, order/ID, plan/1, customer/1, usage/S3UID, location/NL, message/ID
    #[arg(long)]
    subject: Option<String>,
    /// Only of this customer
    #[arg(long, value_name = "ID")]
    customer: Option<i64>,
    /// Only this event, such as bucket.created; with a dot at its end all that begin so: invoice.
    #[arg(long)]
    event: Option<String>,
    /// From this time of UTC on, such as 2026-11-01 or "2026-11-01 13:00:00" [default: 30 days ago]
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    from: Option<PlainTime>,
    /// Before this time [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    until: Option<PlainTime>,
    /// How many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=100_000))]
    limit: i64,
    /// Print them as JSON, with all that is known
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArguments {
    /// What happened from this time of UTC on, such as 2026-11-01 or "2026-11-01 13:00:00"
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    from: PlainTime,
    /// What happened before this time [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    until: Option<PlainTime>,
    /// An exchange of yours; the routing keys are the events' names
    #[arg(long, value_name = "EXCHANGE")]
    to: String,
    /// Print the summary as JSON: {"published":3,"unrouted":0}
    #[arg(long)]
    json: bool,
}

impl HistoryCommand {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        match self {
            Self::List(list) => list.run(config).await,
            Self::Replay(replay) => replay.run(config).await,
        }
    }
}

impl List {
    async fn run(self, config: &Config) -> anyhow::Result<()> {
        let now = SystemClock.now();
        let filter = LogFilter {
            subject: self.account.map(|s3uid| format!("account/{s3uid}")).or(self.subject),
            customer_id: self.customer,
            event: self.event,
            trace_id: None,
            from: self.from.map_or(now - TimeDelta::days(30), |time| time.0),
            until: self.until.map_or(Timestamp::MAX_UTC, |time| time.0),
        };
        let entries = history::find_entries(&owner_pool(config).await?, &filter, self.limit).await?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&entries)?);
            return Ok(());
        }
        let row = |entry: FullEntry| {
            let FullEntry { recorded_at, event, subject, actor, description, .. } = entry;
            vec![PlainTime(recorded_at).to_string(), event, subject, actor, description]
        };
        let columns = ["recorded", "event", "subject", "actor", "what"];
        println!("{}", table::plain(columns, entries.into_iter().map(row)).trim_fmt());
        Ok(())
    }
}

impl ReplayArguments {
    async fn run(self, config: &Config) -> anyhow::Result<()> {
        ensure!(
            !self.to.is_empty() && !self.to.starts_with("s3.") && !self.to.starts_with("amq."),
            "--to must be an exchange of yours: {:?} is {}, where the roles would take the events for new ones",
            self.to,
            if self.to.starts_with("s3.") { "Purser's" } else { "the broker's" },
        );
        let until = self.until.map_or(SystemClock.now(), |time| time.0);
        ensure!(self.from.0 < until, "--from must be before --until");
        let url = config.amqp.url.as_ref().context("this command needs [amqp] url: the administrator's")?;
        let bus = Bus::connect(bus_config(config, url, "purser-history-replay")).await.context("amqp.url")?;
        let bar = progress::counter("events");
        let replay = Replay { stream: STREAM.to_owned(), from: self.from.0, until, exchange: self.to };
        let mut reached = Replayed::default();
        let done = bus
            .replay(&replay, |progress| {
                reached = progress;
                bar.set_position(progress.published + progress.unrouted);
            })
            .await;
        bar.finish_and_clear();
        bus.close().await;
        let done = done.with_context(|| format!("{} events were published before", reached.published))?;
        if self.json {
            println!("{}", serde_json::json!({ "published": done.published, "unrouted": done.unrouted }));
        } else {
            println!("published {} events to {}", done.published, replay.exchange);
        }
        if done.unrouted > 0 && !self.json {
            println!("passed over {}: no queue is bound to {} for them", done.unrouted, replay.exchange);
        }
        Ok(())
    }
}
