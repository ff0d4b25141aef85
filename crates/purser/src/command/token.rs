//! `purser token`.

use anyhow::bail;
use chrono::TimeDelta;
use clap::{Args, Subcommand};
use gateway::tokens::ShownToken;
use model::{Clock, CustomerId, SystemClock};
use runtime::config::Config;
use secrecy::ExposeSecret;
use serde_json::json;

use super::bearer::Bearer;
use super::table::{self, Limit};
use super::{duration, owner_pool};

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token and print it; it can't be shown again
    Issue(Issue),
    /// Take a token back
    Revoke {
        /// The token as it was printed
        token: String,
        /// Print {"revoked":true}
        #[arg(long)]
        json: bool,
    },
    /// List tokens, the newest first, but not the tokens themselves
    List(List),
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only this customer's
    #[arg(long, value_name = "ID")]
    customer: Option<i64>,
    /// Only those that count now
    #[arg(long)]
    valid: bool,
    #[command(flatten)]
    limit: Limit,
    /// Print them as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Issue {
    #[command(flatten)]
    bearer: Bearer,
    /// How long it is valid: 12h, 30d, 1d12h
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    ttl: TimeDelta,
    /// What it is for, for those who clean up later
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Print {"token":…} as JSON
    #[arg(long)]
    json: bool,
}

impl TokenCommand {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let pool = owner_pool(config).await?;
        match self {
            Self::Issue(issue) => {
                let principal = issue.bearer.principal()?;
                let description = issue.description.as_deref();
                let token = gateway::tokens::issue(&pool, principal, issue.ttl, description, &SystemClock).await?;
                if issue.json {
                    return table::print_json(&json!({"token": token.expose_secret()}));
                }
                println!("{}", token.expose_secret());
            }
            Self::Revoke { token, json } => {
                if !gateway::tokens::revoke(&pool, &token, &SystemClock).await? {
                    bail!("there is no such token, or it was revoked before");
                }
                if json {
                    return table::print_json(&json!({"revoked": true}));
                }
                println!("revoked");
            }
            Self::List(List { customer, valid, limit, json }) => {
                let valid_after = valid.then(|| SystemClock.now());
                let customer = customer.map(CustomerId);
                let tokens = gateway::tokens::list(&pool, customer, valid_after, limit.rows_max()).await?;
                limit.print(json, ("tokens", tokens), HEADINGS, row)?;
            }
        }
        Ok(())
    }
}

/// The digest is the first part of the token's SHA-256.
const HEADINGS: [&str; 8] = ["DIGEST", "BEARER", "CREATED", "EXPIRES", "REVOKED", "API_KEY", "ADDRESS", "DESCRIPTION"];

fn row(token: &ShownToken) -> [String; 8] {
    [
        token.digest.clone(),
        token.bearer.clone(),
        table::time(token.created_at),
        table::time(token.expires_at),
        table::time(token.revoked_at),
        table::or_empty(token.api_key_id),
        table::or_empty(token.bound_address.as_ref()),
        table::or_empty(token.description.as_ref()),
    ]
}
