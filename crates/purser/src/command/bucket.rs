//! `purser bucket`.

use anyhow::bail;
use clap::{Args, Subcommand};
use model::{CustomerId, Location, S3Uid};
use provisioner::operators::{BucketFilter, ShownBucket};
use runtime::config::Config;

use super::owner_pool;
use super::table::{self, Limit};

#[derive(Debug, Subcommand)]
pub(crate) enum BucketCommand {
    /// List buckets by name
    List(List),
    /// Show a bucket: whose it is, what it holds, when that was measured
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
    #[command(flatten)]
    limit: Limit,
    /// Print them as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Its name
    name: String,
    /// Where it is; needed where several locations have a bucket of this name
    #[arg(long, value_name = "CODE")]
    location: Option<Location>,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

pub(super) const HEADINGS: [&str; 7] = ["BUCKET", "LOCATION", "ACCOUNT", "CUSTOMER", "BYTES", "OBJECTS", "MEASURED"];

impl BucketCommand {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let pool = owner_pool(config).await?;
        match self {
            Self::List(List { customer, account, location, limit, json }) => {
                let filter = BucketFilter { customer: customer.map(CustomerId), account, location };
                let buckets = provisioner::operators::buckets(&pool, &filter, limit.rows_max()).await?;
                limit.print(json, ("buckets", buckets), HEADINGS, row)
            }
            Self::Show(Show { name, location, json }) => {
                let filter = BucketFilter { location, ..BucketFilter::default() };
                let found = provisioner::operators::buckets_named(&pool, &name, &filter).await?;
                let bucket = match &found[..] {
                    [] => bail!("there is no bucket {name}"),
                    [bucket] => bucket,
                    several => {
                        let places: Vec<&str> = several.iter().map(|bucket| bucket.location.as_str()).collect();
                        bail!("there are buckets {name} in {}: say which with --location", places.join(", "))
                    }
                };
                if json {
                    return table::print_json(bucket);
                }
                println!("{}", properties(bucket));
                Ok(())
            }
        }
    }
}

/// The line of a list.
pub(super) fn row(bucket: &ShownBucket) -> [String; 7] {
    [
        bucket.name.clone(),
        bucket.location.clone(),
        bucket.s3uid.clone(),
        bucket.customer_id.to_string(),
        table::or_empty(bucket.usage_bytes),
        table::or_empty(bucket.objects),
        table::time(bucket.measured_at),
    ]
}

fn properties(bucket: &ShownBucket) -> String {
    let measured = bucket.measured_at.map_or_else(|| "not yet".to_owned(), table::time);
    table::properties([
        ("bucket", bucket.name.clone()),
        ("location", bucket.location.clone()),
        ("account", bucket.s3uid.clone()),
        ("customer", bucket.customer_id.to_string()),
        ("bytes", table::or_empty(bucket.usage_bytes)),
        ("bytes of quota", table::or_empty(bucket.usage_actual_bytes)),
        ("objects", table::or_empty(bucket.objects)),
        ("measured", measured),
        ("RGW tells of changes", if bucket.is_watched { "yes" } else { "no" }.to_owned()),
        ("created", table::time(bucket.created_at)),
    ])
}
