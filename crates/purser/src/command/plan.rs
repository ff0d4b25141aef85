//! `purser plan`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use billing::plans::{PlanDetails, PlanSummary};
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
        /// Print the plans' numbers as JSON: {"added":[],"changed":[1],"unchanged":[2]}
        #[arg(long)]
        json: bool,
    },
    /// Show the newest version of each plan
    List {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show the newest version of a plan, with what it includes and all its prices
    Show {
        /// Its number
        id: i64,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
}

const HEADINGS: [&str; 9] =
    ["ID", "VERSION", "NAME", "ACTIVE", "LOCATIONS", "QUOTA_BYTES", "PERIOD", "BILLING_DAY", "PRICES"];

impl PlanCommand {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        match self {
            Self::Import { file, json } => import(config, &file, json).await,
            Self::List { json } => list(config, json).await,
            Self::Show { id, json } => show(config, PlanId(id), json).await,
        }
    }
}

async fn import(config: &Config, file: &Path, json: bool) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} can't be read", file.display()))?;
    let journal = journal(config, RoleName::Billing).await?;
    let summary = billing::plans::import(&journal, &text)
        .await
        .with_context(|| format!("{}: nothing was imported", file.display()))?;
    if json {
        return table::print_json(&summary);
    }
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

async fn show(config: &Config, id: PlanId, json: bool) -> anyhow::Result<()> {
    let plan = billing::plans::find(&owner_pool(config).await?, id).await?;
    let plan = plan.with_context(|| format!("there is no plan {id}"))?;
    if json {
        return table::print_json(&plan);
    }
    print(&plan);
    Ok(())
}

fn print(plan: &PlanDetails) {
    let summary = &plan.summary;
    let locations: Vec<&str> = summary.locations.iter().map(Location::as_str).collect();
    let traffic = |bytes: i64| if bytes == 0 { "without a limit".to_owned() } else { bytes.to_string() };
    let yes_or_no = |is: bool| if is { "yes" } else { "no" }.to_owned();
    let properties = [
        ("plan", format!("{} version {}: {}", summary.id, summary.version, summary.name)),
        ("active", yes_or_no(summary.active)),
        ("locations", locations.join(", ")),
        ("storage type", plan.storage_type.clone()),
        ("quota bytes", summary.quota_bytes.to_string()),
        ("included bytes", plan.included_storage_bytes.to_string()),
        ("included traffic in", traffic(plan.included_traffic_in_bytes)),
        ("included traffic out", traffic(plan.included_traffic_out_bytes)),
        ("traffic that is charged", plan.overage_traffic.to_owned()),
        ("period", summary.payment_period.clone()),
        ("billing day", summary.billing_day.clone()),
        ("minimum term", plan.minimum_term.clone()),
        ("FTPS", yes_or_no(plan.ftps)),
    ];
    println!("{}\n", table::properties(properties));
    let rates = plan.rates.iter().map(|(currency, rates)| {
        [
            currency.to_string(),
            rates.price.clone(),
            rates.setup_fee.clone(),
            rates.storage_overage_price_per_gb.clone(),
            rates.traffic_overage_price_per_gb.clone(),
        ]
    });
    println!(
        "{}",
        table::plain(["CURRENCY", "PRICE", "SETUP_FEE", "STORAGE_PER_GB", "TRAFFIC_PER_GB"], rates).trim_fmt()
    );
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
