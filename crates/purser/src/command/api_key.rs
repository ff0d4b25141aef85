//! `purser api-key`.

use anyhow::bail;
use chrono::{SecondsFormat, TimeDelta};
use clap::{Args, Subcommand};
use gateway::api_keys::{self, ApiKey};
use model::{SystemClock, Timestamp};
use runtime::config::Config;
use secrecy::ExposeSecret;
use serde_json::json;

use super::bearer::Bearer;
use super::{duration, owner_pool, table};

#[derive(Debug, Subcommand)]
pub(crate) enum ApiKeyCommand {
    /// Make an API key and print it; it can't be shown again
    Issue(Issue),
    /// Take an API key back, and all tokens that were got with it
    Revoke {
        /// The number that the list shows
        id: i64,
        /// Print {"revoked":true}
        #[arg(long)]
        json: bool,
    },
    /// Show all API keys, one a line, but not the keys themselves
    List {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Issue {
    #[command(flatten)]
    bearer: Bearer,
    /// How long it is valid: 30d, 365d; until it is revoked by default
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    ttl: Option<TimeDelta>,
    /// What it is for, for those who clean up later
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Print {"id":…,"key":…} as JSON
    #[arg(long)]
    json: bool,
}

impl ApiKeyCommand {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let pool = owner_pool(config).await?;
        match self {
            Self::Issue(issue) => {
                let principal = issue.bearer.principal()?;
                let description = issue.description.as_deref();
                let (id, key) = api_keys::issue(&pool, principal, issue.ttl, description, &SystemClock).await?;
                if issue.json {
                    return table::print_json(&json!({"id": id, "key": key.expose_secret()}));
                }
                // The key alone on the standard output, for scripts.
                eprintln!("API key {id}");
                println!("{}", key.expose_secret());
            }
            Self::Revoke { id, json } => {
                if !api_keys::revoke(&pool, id, &SystemClock).await? {
                    bail!("there is no API key {id}, or it was revoked before");
                }
                if json {
                    return table::print_json(&json!({"id": id, "revoked": true}));
                }
                println!("revoked");
            }
            Self::List { json } => {
                let keys = api_keys::list(&pool).await?;
                if json {
                    return table::print_json(&json!({"api_keys": keys}));
                }
                for key in &keys {
                    println!("{}", line(key));
                }
            }
        }
        Ok(())
    }
}

fn line(key: &ApiKey) -> String {
    let end = match (key.revoked_at, key.expires_at) {
        (Some(revoked_at), _) => format!("revoked {}", shown(revoked_at)),
        (None, Some(expires_at)) => format!("until {}", shown(expires_at)),
        (None, None) => "until revoked".to_owned(),
    };
    let description = key.description.as_deref().unwrap_or_default();
    format!("{}\t{}\tsince {}\t{end}\t{description}", key.id, key.principal.actor(), shown(key.created_at))
}

fn shown(time: Timestamp) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
