//! `purser service`.

use anyhow::Context;
use billing::operators::{SERVICE_STATES, ServiceFilter, ShownService};
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use model::{CustomerId, Location, S3Uid, ServiceId};
use runtime::config::Config;

use super::owner_pool;
use super::table::{self, Limit};

#[derive(Debug, Subcommand)]
pub(crate) enum ServiceCommand {
    /// List services, also those that are over, the newest first
    List(List),
    /// Show a service: its plan's version, its prices, its period, its next invoice
    Show(Show),
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only this customer's
    #[arg(long, value_name = "ID")]
    customer: Option<i64>,
    /// Only this account's
    #[arg(long, value_name = "S3UID")]
    account: Option<S3Uid>,
    /// Only those in this location
    #[arg(long, value_name = "CODE")]
    location: Option<Location>,
    /// Only those in this state
    #[arg(long, value_name = "STATE", value_parser = PossibleValuesParser::new(SERVICE_STATES))]
    state: Option<String>,
    #[command(flatten)]
    limit: Limit,
    /// Print them as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Its number
    id: i64,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

const HEADINGS: [&str; 8] = ["ID", "ACCOUNT", "CUSTOMER", "LOCATION", "STATE", "PLAN", "PERIOD_END", "NEXT_INVOICE"];

impl ServiceCommand {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let pool = owner_pool(config).await?;
        match self {
            Self::List(List { customer, account, location, state, limit, json }) => {
                let filter = ServiceFilter { customer: customer.map(CustomerId), account, location, state };
                let services = billing::operators::services(&pool, &filter, limit.rows_max()).await?;
                limit.print(json, ("services", services), HEADINGS, row)
            }
            Self::Show(Show { id, json }) => {
                let service = billing::operators::service(&pool, ServiceId(id)).await?;
                let service = service.with_context(|| format!("there is no service {id}"))?;
                if json {
                    return table::print_json(&service);
                }
                println!("{}", properties(&service));
                Ok(())
            }
        }
    }
}

fn row(service: &ShownService) -> [String; 8] {
    [
        service.id.to_string(),
        service.s3uid.clone(),
        service.customer_id.to_string(),
        service.location.clone(),
        service.state.clone(),
        format!("{} v{}", service.plan_id, service.plan_version),
        table::time(service.period_end),
        table::time(service.next_invoice_at),
    ]
}

/// A service's properties, one a line.
pub(super) fn properties(service: &ShownService) -> String {
    let priced = |price| format!("{} {}", table::price(price, &service.currency), service.currency);
    let period = format!(
        "{}: {} to {} (not included), of {}",
        service.period_number,
        table::time(service.period_start),
        table::time(service.period_end),
        service.payment_period
    );
    table::properties([
        ("service", format!("{} ({})", service.id, service.name)),
        ("account", service.s3uid.clone()),
        ("customer", service.customer_id.to_string()),
        ("location", service.location.clone()),
        ("state", service.state.clone()),
        ("plan", format!("{} version {}: {}", service.plan_id, service.plan_version, service.plan_name)),
        ("price", priced(service.price)),
        ("storage beyond, per GB", priced(service.storage_overage_price_per_gb)),
        ("traffic beyond, per GB", priced(service.traffic_overage_price_per_gb)),
        ("period", period),
        ("next invoice", table::time(service.next_invoice_at)),
        ("minimum term until", service.minimum_until.to_string()),
        ("dunning", table::or_empty(service.dunning_step.as_ref())),
        ("held", table::or_empty(service.hold.as_ref())),
        ("service in WHMCS", table::or_empty(service.external_service_id)),
        ("began", table::time(service.created_at)),
        ("cancelled", table::time(service.cancelled_at)),
        ("terminates", table::time(service.termination_at)),
        ("ended", table::time(service.ended_at)),
    ])
}
