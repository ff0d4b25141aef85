//! `purser keys`.

use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use messages::RoleName;
use provisioner::rotation::{self, Rotated, SealedWith};
use provisioner::{KeyId, SealingKeys};
use runtime::config::Config;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::{progress, table, worker};

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Seal all secrets anew with the first key of the key file, beside the running workers
    ///
    /// It may be interrupted and run again. Exit code 0: the first key has sealed everything. 1: something is left.
    /// 2: it couldn't be done.
    Rotate(Rotate),
}

#[derive(Debug, Args)]
pub(crate) struct Rotate {
    /// Only say what is sealed with which key
    #[arg(long)]
    check: bool,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

impl KeysCommand {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<ExitCode> {
        let Self::Rotate(Rotate { check, json }) = self;
        let own = config.provisioner.as_ref().context("this command needs the section [provisioner]")?;
        let keys = worker::sealing_keys(own)?;
        let pool = worker::pool(RoleName::Provisioner, &own.database_url, config)?;
        let rotated = if check { None } else { Some(rotate(&pool, &keys).await?) };
        let inventory = rotation::inventory(&pool, &keys).await?;
        if json {
            table::print_json(&as_json(rotated.as_ref(), &inventory, &keys))?;
        } else {
            if let Some(rotated) = &rotated {
                print_rotated(rotated, &keys);
            }
            print(&inventory, &keys);
        }
        let is_done = inventory.iter().all(|entry| entry.key == Some(keys.sealing_id()) || entry.total() == 0);
        Ok(if is_done { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

async fn rotate(pool: &PgPool, keys: &SealingKeys) -> anyhow::Result<Rotated> {
    let spinner = progress::spinner("sealing anew");
    let rotated = rotation::rotate(pool, keys).await;
    spinner.finish_and_clear();
    Ok(rotated?)
}

fn print_rotated(rotated: &Rotated, keys: &SealingKeys) {
    for unopened in &rotated.unopened {
        println!("not opened: {unopened}");
    }
    println!("{} secrets sealed anew with key {}", rotated.sealed_anew, keys.sealing_id());
}

/// What was done, where something was, and what is sealed with which key.
fn as_json(rotated: Option<&Rotated>, inventory: &[SealedWith], keys: &SealingKeys) -> Value {
    let entry = |entry: &SealedWith| {
        let key = entry.key.as_ref().map(KeyId::to_string);
        let SealedWith { accounts, intents, replies, .. } = entry;
        json!({"key": key, "place": place(entry, keys), "accounts": accounts, "under_way": intents, "saved_replies": replies})
    };
    let inventory: Vec<Value> = inventory.iter().map(entry).collect();
    let rotated = rotated.map(|done| json!({"sealed_anew": done.sealed_anew, "unopened": done.unopened}));
    json!({"rotated": rotated, "keys": inventory})
}

/// What the key file says of an entry's key.
fn place(entry: &SealedWith, keys: &SealingKeys) -> &'static str {
    match entry.key {
        Some(key) if key == keys.sealing_id() => "seals",
        Some(key) if keys.ids().any(|id| id == key) => "opens",
        _ => "no",
    }
}

const HEADINGS: [&str; 5] = ["KEY", "IN THE FILE", "ACCOUNTS", "UNDER WAY", "SAVED REPLIES"];

fn print(inventory: &[SealedWith], keys: &SealingKeys) {
    let row = |entry: &SealedWith| {
        let place = place(entry, keys);
        let key = entry.key.as_ref().map_or_else(|| "damaged".to_owned(), KeyId::to_string);
        [key, place.to_owned(), entry.accounts.to_string(), entry.intents.to_string(), entry.replies.to_string()]
    };
    println!("{}", table::plain(HEADINGS, inventory.iter().map(row)).trim_fmt());
}
