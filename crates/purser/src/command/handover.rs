//! `purser handover`.

use clap::Subcommand;
use messages::RoleName;
use model::PlainTime;
use runtime::config::Config;
use serde_json::json;

use super::{journal, table};

/// What WHMCS must be told, where that issues the invoices
#[derive(Debug, Subcommand)]
pub(crate) enum HandoverCommand {
    /// List what it wasn't told yet, and what waits for a person
    List {
        /// Only what waits for a person
        #[arg(long)]
        parked: bool,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Say that a parked task was seen to by hand
    Done {
        /// Its number
        id: i64,
        /// What was done
        #[arg(long, value_name = "TEXT")]
        note: String,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Have a parked task tried again; say so only if it certainly wasn't done
    Retry {
        /// Its number
        id: i64,
        /// How that is known
        #[arg(long, value_name = "TEXT")]
        note: String,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
}

impl HandoverCommand {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let journal = journal(config, RoleName::Billing).await?;
        match self {
            Self::List { parked, json } => {
                let tasks = billing::handover::operators::open(&journal, parked).await?;
                if json {
                    println!("{}", serde_json::to_string_pretty(&tasks)?);
                    return Ok(());
                }
                let rows = tasks.into_iter().map(|task| {
                    vec![
                        task.id.to_string(),
                        task.state,
                        PlainTime(task.created_at).to_string(),
                        task.external_service_id.map_or_else(String::new, |id| id.to_string()),
                        task.task.to_string(),
                        task.attempts.to_string(),
                        task.detail.unwrap_or_default(),
                    ]
                });
                let columns = ["task", "state", "since", "service", "what", "attempts", "detail"];
                println!("{}", table::plain(columns, rows).trim_fmt());
            }
            Self::Done { id, note, json } => {
                billing::handover::operators::settle(&journal, id, true, &note).await?;
                if json {
                    return table::print_json(&json!({"id": id, "state": "done"}));
                }
                println!("task {id} is done");
            }
            Self::Retry { id, note, json } => {
                billing::handover::operators::settle(&journal, id, false, &note).await?;
                if json {
                    return table::print_json(&json!({"id": id, "state": "waiting"}));
                }
                println!("task {id} is tried again");
            }
        }
        Ok(())
    }
}
