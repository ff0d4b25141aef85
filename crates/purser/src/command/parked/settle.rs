//! Giving messages back, and throwing them away.

use anyhow::{Context, ensure};
use bus::{Bus, HeldMessages};
use history::Journal;
use messages::RoleName;
use runtime::config::Config;
use serde_json::json;
use uuid::Uuid;

use super::choice::Parked;
use super::{Held, Redrive, record, view};
use crate::command::{bus_config, journal, progress, table};

/// What operators do is on record where the history is read: with billing.
const RECORDING_ROLE: RoleName = RoleName::Billing;

/// Redrives what is asked for, one after the other; false: not all of it.
pub(super) async fn redrive(config: &Config, held: &Held, command: Redrive) -> anyhow::Result<bool> {
    let Redrive { ids, all, filter, yes, forgotten, json } = command;
    let (chosen, mut is_complete) = if all {
        let chosen: Vec<_> = held.messages().into_iter().filter(|parked| filter.takes(parked)).collect();
        if !json {
            view::print_table(&chosen);
        }
        if !yes {
            if json {
                let rows: Vec<_> = chosen.iter().map(|parked| parked.message.id).collect();
                table::print_json(&json!({"redriven": [], "would_redrive": rows}))?;
                return Ok(true);
            }
            println!("with --yes they are redriven; by their ids, exactly those that you name");
            return Ok(true);
        }
        (chosen, true)
    } else {
        choose(held, &ids)
    };
    if chosen.is_empty() {
        if json {
            table::print_json(&json!({"redriven": [], "is_complete": is_complete}))?;
        }
        return Ok(is_complete);
    }
    let mut roles = Publishers::new(config);
    for parked in &chosen {
        roles.connect(parked.message.role).await?;
    }
    let journal = journal(config, RECORDING_ROLE).await?;
    let mut redriven = Vec::new();
    let bar = progress::bar(chosen.len(), "messages");
    for parked in &chosen {
        let id = parked.message.id;
        if parked.is_forgotten() && !forgotten {
            eprintln!(
                "{id}: nobody remembers whether this command was done meanwhile; it would be done again. Look, then \
                 redrive it with --forgotten or drop it"
            );
            is_complete = false;
            continue;
        }
        if parked.message.delivery.queue.is_empty() {
            eprintln!("{id}: it isn't known where it came from; nothing but `drop` is left");
            is_complete = false;
            continue;
        }
        let holder = held.holder(id).context("the message is held")?;
        redrive_one(holder, roles.of(parked.message.role)?, &journal, parked).await.with_context(|| {
            format!("{id} (before it, {} were redriven; all others are still parked)", redriven.len())
        })?;
        redriven.push(id);
        bar.inc(1);
        if !json {
            bar.suspend(|| println!("{id} redriven to {}", parked.message.delivery.queue));
        }
    }
    bar.finish_and_clear();
    roles.close().await;
    if json {
        table::print_json(&json!({"redriven": redriven, "is_complete": is_complete}))?;
    }
    Ok(is_complete)
}

/// A crash between the steps leaves the parked message where it is. It is given back once more then, and its twin is
/// recognised: a command by its id, an event by its version or its own.
async fn redrive_one(holder: &HeldMessages, role: &Bus, journal: &Journal, parked: &Parked<'_>) -> anyhow::Result<()> {
    holder.publish_again(parked.message.id, &role.publisher()).await?;
    record::redriven(journal, parked).await?;
    holder.take_away(parked.message.id).await?;
    Ok(())
}

/// Throws messages away, each after the history says so; false: not all were there.
pub(super) async fn drop_all(
    config: &Config,
    held: &Held,
    ids: &[Uuid],
    note: &str,
    json: bool,
) -> anyhow::Result<bool> {
    let (chosen, is_complete) = choose(held, ids);
    let journal = journal(config, RECORDING_ROLE).await?;
    for parked in &chosen {
        let id = parked.message.id;
        let holder = held.holder(id).context("the message is held")?;
        record::dropped(&journal, parked, note).await.with_context(|| id.to_string())?;
        holder.take_away(id).await.with_context(|| id.to_string())?;
        if !json {
            println!("{id} dropped");
        }
    }
    if json {
        let dropped: Vec<_> = chosen.iter().map(|parked| parked.message.id).collect();
        table::print_json(&json!({"dropped": dropped, "is_complete": is_complete}))?;
    }
    Ok(is_complete)
}

/// The messages with these ids, in their order of parking, and whether all are there.
fn choose<'a>(held: &'a Held, ids: &[Uuid]) -> (Vec<Parked<'a>>, bool) {
    let chosen: Vec<_> = held.messages().into_iter().filter(|parked| ids.contains(&parked.message.id)).collect();
    let missing: Vec<_> = ids.iter().filter(|id| chosen.iter().all(|parked| parked.message.id != **id)).collect();
    for id in &missing {
        eprintln!("{id}: no parked message");
    }
    let is_complete = missing.is_empty();
    (chosen, is_complete)
}

/// Connections as the roles' own broker users. Who published a message first counts from a role only; as its
/// administrator an operator would have to be trusted, too.
struct Publishers<'a> {
    config: &'a Config,
    roles: Vec<(RoleName, Bus)>,
}

impl<'a> Publishers<'a> {
    const fn new(config: &'a Config) -> Self {
        Self { config, roles: Vec::new() }
    }

    async fn connect(&mut self, role: RoleName) -> anyhow::Result<()> {
        if self.of(role).is_ok() {
            return Ok(());
        }
        ensure!(role != RoleName::Gateway, "the gateway has no queues");
        let url = self.config.amqp_url_of(role);
        let url = url.with_context(|| format!("to redrive its messages, this command needs the section [{role}]"))?;
        let bus = Bus::connect(bus_config(self.config, url, format!("purser-parked-{role}"))).await;
        let bus = bus.with_context(|| format!("{role}.amqp_url"))?;
        let expected = self.config.amqp.own_users.of(role);
        ensure!(bus.user() == expected, "{role}.amqp_url logs in as {}, amqp.own_users says {expected}", bus.user());
        self.roles.push((role, bus));
        Ok(())
    }

    fn of(&self, role: RoleName) -> anyhow::Result<&Bus> {
        let found = self.roles.iter().find(|(connected, _)| *connected == role);
        found.map(|(_, bus)| bus).with_context(|| format!("no connection as {role}"))
    }

    async fn close(self) {
        for (_, bus) in self.roles {
            bus.close().await;
        }
    }
}
