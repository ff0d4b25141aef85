//! `purser parked`.

mod choice;
mod record;
mod settle;
mod view;

use std::process::ExitCode;

use anyhow::{Context, bail};
use bus::{Bus, HeldMessages, WORKER_ROLES};
use clap::{Args, Subcommand};
use messages::RoleName;
use model::{Clock, SystemClock, Timestamp};
use runtime::config::Config;
use uuid::Uuid;

use self::choice::{Filter, Parked};

/// Messages that were set aside for a person
#[derive(Debug, Subcommand)]
pub(crate) enum ParkedCommand {
    /// List them, in the order in which they would be redriven
    List {
        #[command(flatten)]
        filter: Filter,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Print one with properties, headers and body as JSON; secrets are hidden
    Show {
        /// Its id, as `list` shows it
        id: Uuid,
        /// Print the body's bytes as Base64 too, with whatever is in them
        #[arg(long)]
        raw: bool,
    },
    /// Give messages back to the queues they came from, as they were
    ///
    /// What was done already is answered again, not done again. Exit code 0: all that were asked for. 1: not all.
    Redrive(Redrive),
    /// Throw messages away; the history keeps that and why
    ///
    /// Exit code 0: all that were asked for. 1: not all.
    Drop {
        /// Their ids, as `list` shows them
        #[arg(required = true)]
        ids: Vec<Uuid>,
        /// Why, for the history
        #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
        reason: String,
        /// Print what was dropped as JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
pub(crate) struct Redrive {
    /// Their ids, as `list` shows them
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    ids: Vec<Uuid>,
    /// All that the filters leave; without --yes they are only listed
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    filter: Filter,
    /// Redrive what --all finds
    #[arg(long, requires = "all")]
    yes: bool,
    /// Commands, too, that are so old that nobody remembers whether they were done meanwhile
    #[arg(long)]
    forgotten: bool,
    /// Print what was redriven as JSON
    #[arg(long)]
    json: bool,
}

/// The messages of all roles, held until they are released.
struct Held {
    roles: Vec<(Bus, HeldMessages)>,
    now: Timestamp,
}

impl ParkedCommand {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<ExitCode> {
        let roles = match &self {
            Self::List { filter, .. } | Self::Redrive(Redrive { filter, .. }) => filter.roles(),
            Self::Show { .. } | Self::Drop { .. } => WORKER_ROLES.to_vec(),
        };
        if let Self::Redrive(Redrive { ids, filter, .. }) = &self
            && !ids.is_empty()
            && !filter.is_empty()
        {
            bail!("filters go with --all, not with ids");
        }
        let held = Held::take(config, &roles).await?;
        let done = match self {
            Self::List { filter, json } => list(&held, &filter, json).map(|()| true),
            Self::Show { id, raw } => show(&held, id, raw).map(|()| true),
            Self::Redrive(command) => settle::redrive(config, &held, command).await,
            Self::Drop { ids, reason, json } => settle::drop_all(config, &held, &ids, &reason, json).await,
        };
        // What was acknowledged counts once the messages are released.
        let released = held.release().await;
        let is_complete = done?;
        released?;
        Ok(if is_complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

impl Held {
    async fn take(config: &Config, roles: &[RoleName]) -> anyhow::Result<Self> {
        let url = config.amqp.url.as_ref().context("this command needs the section [amqp] with url")?;
        let own_users = WORKER_ROLES.map(|role| config.amqp.own_users.of(role).to_owned());
        let mut held = Self { roles: Vec::new(), now: SystemClock.now() };
        for role in roles {
            let operator = super::bus_config(config, url, format!("purser-parked-operator-{role}"));
            let operator = Bus::connect(operator).await.context("amqp.url")?;
            let messages = operator.hold_parked(*role, &own_users).await?;
            if messages.unreadable > 0 {
                eprintln!(
                    "s3.{role}.parked: the next message can't be read, and the last {} are not shown; remove that one \
                     with the management page's \"Get messages\" once those before it are settled",
                    messages.unreadable
                );
            }
            held.roles.push((operator, messages));
        }
        Ok(held)
    }

    /// All messages, oldest trouble first.
    fn messages(&self) -> Vec<Parked<'_>> {
        let messages = self.roles.iter().flat_map(|(_, held)| held.messages());
        let mut messages: Vec<_> = messages.map(|message| Parked::new(message, self.now)).collect();
        messages.sort_by_key(Parked::order);
        messages
    }

    fn find(&self, id: Uuid) -> Option<Parked<'_>> {
        self.messages().into_iter().find(|parked| parked.message.id == id)
    }

    /// The queue that holds a message.
    fn holder(&self, id: Uuid) -> Option<&HeldMessages> {
        let mut held = self.roles.iter().map(|(_, held)| held);
        held.find(|held| held.messages().any(|message| message.id == id))
    }

    async fn release(self) -> anyhow::Result<()> {
        let mut released = Ok(());
        for (operator, messages) in self.roles {
            released = released.and(messages.release().await);
            operator.close().await;
        }
        Ok(released?)
    }
}

fn list(held: &Held, filter: &Filter, json: bool) -> anyhow::Result<()> {
    let chosen: Vec<_> = held.messages().into_iter().filter(|parked| filter.takes(parked)).collect();
    if json {
        let rows: Vec<_> = chosen.iter().map(view::summary).collect();
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        view::print_table(&chosen);
    }
    Ok(())
}

fn show(held: &Held, id: Uuid, raw: bool) -> anyhow::Result<()> {
    let parked = held.find(id).with_context(|| format!("no parked message {id}"))?;
    println!("{}", serde_json::to_string_pretty(&view::whole(&parked, raw))?);
    Ok(())
}
