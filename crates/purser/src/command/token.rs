//! `purser token`.

use anyhow::bail;
use chrono::TimeDelta;
use clap::{Args, Subcommand};
use model::SystemClock;
use runtime::config::Config;
use secrecy::ExposeSecret;

use super::bearer::Bearer;
use super::{duration, owner_pool};

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token and print it; it can't be shown again
    Issue(Issue),
    /// Take a token back
    Revoke {
        /// The token as it was printed
        token: String,
    },
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
}

impl TokenCommand {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let pool = owner_pool(config).await?;
        match self {
            Self::Issue(issue) => {
                let principal = issue.bearer.principal()?;
                let description = issue.description.as_deref();
                let token = gateway::tokens::issue(&pool, principal, issue.ttl, description, &SystemClock).await?;
                println!("{}", token.expose_secret());
            }
            Self::Revoke { token } => {
                if !gateway::tokens::revoke(&pool, &token, &SystemClock).await? {
                    bail!("there is no such token, or it was revoked before");
                }
                println!("revoked");
            }
        }
        Ok(())
    }
}
