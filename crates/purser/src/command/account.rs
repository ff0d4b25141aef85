//! `purser account`.

use anyhow::Context;
use billing::operators::{ServiceFilter, ShownService};
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use model::{CustomerId, Location, S3Uid};
use provisioner::operators::{ACCOUNT_STATES, AccountFilter, BucketFilter, ShownAccount, ShownBucket};
use runtime::config::Config;
use serde::Serialize;

use super::table::{self, Limit};
use super::{bucket, owner_pool, service};

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// List accounts, also those that are gone, the newest first
    List(List),
    /// Show an account with its buckets, its service and its plan; never its secret key
    Show(Show),
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only this customer's
    #[arg(long, value_name = "ID")]
    customer: Option<i64>,
    /// Only those in this location
    #[arg(long, value_name = "CODE")]
    location: Option<Location>,
    /// Only those in this state
    #[arg(long, value_name = "STATE", value_parser = PossibleValuesParser::new(ACCOUNT_STATES))]
    state: Option<String>,
    #[command(flatten)]
    limit: Limit,
    /// Print them as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The account
    s3uid: S3Uid,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// An account with what belongs to it.
#[derive(Debug, Serialize)]
struct Whole {
    #[serde(flatten)]
    account: ShownAccount,
    /// None where its order hasn't come so far, or failed.
    service: Option<ShownService>,
    /// Those that exist, in place of their number.
    bucket_list: Vec<ShownBucket>,
}

const HEADINGS: [&str; 9] =
    ["S3UID", "CUSTOMER", "LOCATION", "STATE", "ACCESS", "QUOTA_BYTES", "USED_BYTES", "BUCKETS", "CREATED"];

impl AccountCommand {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let pool = owner_pool(config).await?;
        match self {
            Self::List(List { customer, location, state, limit, json }) => {
                let filter = AccountFilter { customer: customer.map(CustomerId), location, state };
                let accounts = provisioner::operators::accounts(&pool, &filter, limit.rows_max()).await?;
                limit.print(json, ("accounts", accounts), HEADINGS, row)
            }
            Self::Show(Show { s3uid, json }) => {
                let account = provisioner::operators::account(&pool, &s3uid).await?;
                let account = account.with_context(|| format!("there is no account {s3uid}"))?;
                let of_account = ServiceFilter { account: Some(s3uid.clone()), ..ServiceFilter::default() };
                let service = billing::operators::services(&pool, &of_account, 1).await?.pop();
                let its_own = BucketFilter { account: Some(s3uid), ..BucketFilter::default() };
                let bucket_list = provisioner::operators::buckets(&pool, &its_own, i64::MAX).await?;
                let whole = Whole { account, service, bucket_list };
                if json {
                    return table::print_json(&whole);
                }
                print(&whole);
                Ok(())
            }
        }
    }
}

/// The line of a list.
pub(super) fn row(account: &ShownAccount) -> [String; 9] {
    [
        account.s3uid.clone(),
        account.customer_id.to_string(),
        account.location.clone(),
        account.state.clone(),
        account.access.clone(),
        account.quota_bytes.to_string(),
        account.usage_bytes.to_string(),
        account.buckets.to_string(),
        table::time(account.created_at),
    ]
}

/// Prints accounts as a list has them.
pub(super) fn print_rows(accounts: &[ShownAccount]) {
    println!("{}", table::plain(HEADINGS, accounts.iter().map(row)).trim_fmt());
}

fn print(Whole { account, service, bucket_list }: &Whole) {
    let used = format!("{} in {} objects, {} buckets", account.usage_bytes, account.objects, account.buckets);
    let properties = [
        ("account", account.s3uid.clone()),
        ("customer", account.customer_id.to_string()),
        ("location", account.location.clone()),
        ("state", account.state.clone()),
        ("access", account.access.clone()),
        ("access key", table::or_empty(account.access_key.as_ref())),
        ("quota bytes", account.quota_bytes.to_string()),
        ("used bytes", used),
        ("measured", table::time(account.measured_at)),
        ("created", table::time(account.created_at)),
        ("ended", table::time(account.ended_at)),
    ];
    println!("{}", table::properties(properties));
    match service {
        Some(service) => println!("\n{}", service::properties(service)),
        None => println!("\nno service"),
    }
    if !bucket_list.is_empty() {
        println!("\n{}", table::plain(bucket::HEADINGS, bucket_list.iter().map(bucket::row)).trim_fmt());
    }
}
