//! `purser plan`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use billing::plans::PlanSummary;
use clap::Subcommand;
use messages::RoleName;
use model::{Location, PlanId};
use runtime::config::Config;

use super::{journal, owner_pool, table};

#[derive(Debug, Subcommand)]
pub(crate) enum PlanCommand {
    /// Read plans from a TOML file; a plan that changed becomes a new version
    Import {
        /// The file
        file: PathBuf,
    },
    /// Show the newest version of each plan
    List {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
}

const HEADINGS: [&str; 9] =
    ["ID", "VERSION", "NAME", "ACTIVE", "LOCATIONS", "QUOTA_BYTES", "PERIOD", "BILLING_DAY", "PRICES"];

impl PlanCommand {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        match self {
            Self::Import { file } => import(config, &file).await,
            Self::List { json } => list(config, json).await,
        }
    }
}

async fn import(config: &Config, file: &Path) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} can't be read", file.display()))?;
    let journal = journal(config, RoleName::Billing).await?;
    let summary = billing::plans::import(&journal, &text)
        .await
        .with_context(|| format!("{}: nothing was imported", file.display()))?;
    for (what, plans) in [("added", &summary.added), ("changed", &summary.changed), ("unchanged", &summary.unchanged)] {
        if !plans.is_empty() {
            let ids: Vec<String> = plans.iter().map(PlanId::to_string).collect();
            println!("{what}: {}", ids.join(", "));
        }
    }
    Ok(())
}

async fn list(config: &Config, json: bool) -> anyhow::Result<()> {
    let plans = billing::plans::list(&owner_pool(config).await?).await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&plans)?);
    } else {
        println!("{}", table::plain(HEADINGS, plans.iter().map(row)).trim_fmt());
    }
    Ok(())
}

fn row(plan: &PlanSummary) -> [String; 9] {
    let locations: Vec<&str> = plan.locations.iter().map(Location::as_str).collect();
    let prices: Vec<String> = plan.prices.iter().map(|(currency, price)| format!("{price} {currency}")).collect();
    [
        plan.id.to_string(),
        plan.version.to_string(),
        plan.name.clone(),
        if plan.active { "yes" } else { "no" }.to_owned(),
        locations.join(","),
        plan.quota_bytes.to_string(),
        plan.payment_period.clone(),
        plan.billing_day.clone(),
        prices.join(", "),
    ]
}
