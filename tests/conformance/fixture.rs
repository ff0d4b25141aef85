//! What there is before a case's calls: customers, accounts, files, packages.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use messages::Encoding;
use model::BucketName;
use object_store::ceph::{CephConfig, CephStore};
use object_store::{ObjectStore, S3Keys};
use serde_json::{Value, json};
use test_support::amqp::{self, AmqpCaller};
use test_support::world::{self, CUSTOMER_ID, World};

use crate::case::Given;
use crate::expect::Variables;
use crate::transport::asks_to_try_again;

/// Below are the customers of the demo.
static NEXT_CUSTOMER: AtomicI64 = AtomicI64::new(1000);
const STORE_LIMIT: Duration = Duration::from_mins(1);
const UPLOADS_AT_ONCE: usize = 4;
const TRIES_MAX: usize = 5;

/// Makes fixtures in a world.
#[derive(Debug)]
pub(crate) struct Fixtures<'a> {
    pub(crate) world: &'a World,
    /// A trusted publisher.
    pub(crate) php: &'a AmqpCaller,
}

/// A customer of one case.
struct Customer {
    id: i64,
    email: String,
}

/// Where a customer is and what they pay in.
struct Home {
    country: &'static str,
    currency: &'static str,
}

impl Given {
    fn home(self) -> Home {
        let (country, currency) = match self {
            Self::GermanCustomer
            | Self::Package
            | Self::CancelledPackage
            | Self::DeletedPackage
            | Self::OthersPackage => ("DE", "EUR"),
            Self::RoubleCustomer => ("RU", "RUB"),
            Self::DollarCustomer => ("US", "USD"),
            Self::PoundCustomer => ("GB", "GBP"),
            _ => ("NL", "EUR"),
        };
        Home { country, currency }
    }

    const fn has_other_customer(self) -> bool {
        matches!(self, Self::TwoCustomers | Self::OthersAccount | Self::AccountAndOthers | Self::OthersPackage)
    }
}

/// Names that nobody has used, for what a case makes itself.
pub(crate) fn add_new_names(world: &World, variables: &mut Variables) {
    for name in ["new_bucket", "new_bucket_2", "new_bucket_3"] {
        variables.insert(name.to_owned(), json!(world.bucket_name("conf")));
    }
    variables.insert("unknown_s3uid".to_owned(), json!("0".repeat(32)));
}

impl Fixtures<'_> {
    /// Makes what is given, and returns the names under which its parts go.
    pub(crate) async fn prepare(&self, given: Given, needs_token: bool) -> Result<Variables> {
        let mut variables = Variables::new();
        let set = |variables: &mut Variables, name: &str, value: Value| drop(variables.insert(name.to_owned(), value));
        set(&mut variables, "admin_token", json!(self.world.admin_token));
        if matches!(given, Given::Customer | Given::AdminApiKey) {
            set(&mut variables, "customer_id", json!(CUSTOMER_ID));
            set(&mut variables, "customer_token", json!(self.world.customer_token));
        } else {
            let customer = self.customer(given.home()).await?;
            set(&mut variables, "customer_id", json!(customer.id));
            set(&mut variables, "email", json!(customer.email));
            if needs_token {
                let token = world::issue_token(&self.world.deployment, Some(customer.id)).await?;
                set(&mut variables, "customer_token", json!(token));
            }
        }
        if given.has_other_customer() {
            let customer = self.customer(given.home()).await?;
            set(&mut variables, "other_customer_id", json!(customer.id));
            if given == Given::TwoCustomers && needs_token {
                let token = world::issue_token(&self.world.deployment, Some(customer.id)).await?;
                set(&mut variables, "other_token", json!(token));
            }
        }
        self.fill(given, &mut variables).await.with_context(|| format!("making what is given ({given:?})"))?;
        Ok(variables)
    }

    async fn fill(&self, given: Given, variables: &mut Variables) -> Result<()> {
        let customer = variables["customer_id"].as_i64().unwrap_or_default();
        let other = variables.get("other_customer_id").and_then(Value::as_i64);
        match given {
            Given::Account | Given::AccountAndOthers => self.account(customer, 1, "", variables).await?,
            Given::AccountWithoutTerm => self.account(customer, 91, "", variables).await?,
            Given::TwoAccounts => {
                self.account(customer, 1, "", variables).await?;
                self.account(customer, 1, "_2", variables).await?;
            }
            Given::ThreeFiles => {
                let files = [("folder/file.txt", 1024), ("folder/photo.jpg", 2048), ("readme.txt", 5)];
                self.account(customer, 1, "", variables).await?;
                self.upload(files.map(|(key, size)| (key.to_owned(), size)).to_vec(), variables).await?;
            }
            Given::ManyFiles => {
                self.account(customer, 1, "", variables).await?;
                self.upload((0..120).map(|n| (format!("file-{n:03}"), 1)).collect(), variables).await?;
            }
            Given::CancelledAccount => {
                self.account(customer, 1, "", variables).await?;
                let parameters = json!({"s3uid": variables["s3uid"]});
                let reply = self.ask("delete_payment_account", amqp::customer(customer), parameters).await?;
                for name in ["cancellation_date", "termination_date"] {
                    variables.insert(name.to_owned(), reply[name].clone());
                }
            }
            Given::DeletedAccount => {
                self.account(customer, 1, "", variables).await?;
                self.ask("delete_account", amqp::admin(), json!({"s3uid": variables["s3uid"]})).await?;
            }
            Given::Package | Given::CancelledPackage | Given::DeletedPackage => {
                self.package(given, customer, variables).await?;
            }
            Given::ApiKey => self.api_key(&["--customer", &customer.to_string()], variables).await?,
            Given::AdminApiKey => self.api_key(&["--admin"], variables).await?,
            _ => {}
        }
        match (given, other) {
            (Given::OthersAccount | Given::AccountAndOthers, Some(other)) => {
                let mut theirs = Variables::new();
                self.account(other, 1, "", &mut theirs).await?;
                for name in ["s3uid", "bucket"] {
                    variables.insert(format!("others_{name}"), theirs[name].clone());
                }
            }
            (Given::OthersPackage, Some(other)) => {
                let reply = self.ask("storage_create", amqp::customer(other), json!({"name": "PS100"})).await?;
                variables.insert("others_package".to_owned(), reply["result"]["name"].clone());
            }
            _ => {}
        }
        Ok(())
    }

    async fn customer(&self, home: Home) -> Result<Customer> {
        let id = NEXT_CUSTOMER.fetch_add(1, Ordering::Relaxed);
        let (number, email) = (id.to_string(), format!("customer-{id}@example.com"));
        let Home { country, currency } = home;
        let entity = if currency == "USD" { "US" } else { "NL" };
        let identity = ["customer", "add", "--id", &number, "--email", &email];
        let money = ["--country", country, "--currency", currency, "--billing-entity", entity];
        self.world.deployment.purser_ok(&[&identity[..], &money[..]].concat()).await?;
        Ok(Customer { id, email })
    }

    /// Orders an account and reads its keys.
    async fn account(&self, customer: i64, plan: i64, suffix: &str, variables: &mut Variables) -> Result<()> {
        let (whose, bucket) = (amqp::customer(customer), self.world.bucket_name("conf"));
        let reply = self.ask("create_order", whose.clone(), json!({"plan_id": plan, "bucket_name": bucket})).await?;
        let account = self.ask("get_buckets_rmq", whose, json!({"s3uid": reply["s3uid"]})).await?;
        for (name, value) in [
            ("s3uid", &reply["s3uid"]),
            ("bucket", &json!(bucket)),
            ("access_key", &account["access_key"]),
            ("secret_key", &account["secret_key"]),
            ("endpoint", &account["endpoint"]),
        ] {
            variables.insert(format!("{name}{suffix}"), value.clone());
        }
        Ok(())
    }

    async fn package(&self, given: Given, customer: i64, variables: &mut Variables) -> Result<()> {
        let whose = amqp::customer(customer);
        let reply = self.ask("storage_create", whose.clone(), json!({"name": "PS100"})).await?;
        let name = reply["result"]["name"].clone();
        variables.insert("package".to_owned(), name.clone());
        if given == Given::CancelledPackage {
            let reply = self.ask("storage_delete", whose, json!({"name": name})).await?;
            variables.insert("expiry".to_owned(), reply["result"]["expiry"].clone());
        } else if given == Given::DeletedPackage {
            self.ask("delete_account", amqp::admin(), json!({"id": customer})).await?;
        }
        Ok(())
    }

    async fn api_key(&self, whose: &[&str], variables: &mut Variables) -> Result<()> {
        let printed = self.world.deployment.purser_ok(&[&["api-key", "issue"], whose].concat()).await?;
        let key = printed.split_whitespace().find(|word| word.starts_with("pk_"));
        variables.insert("api_key".to_owned(), json!(key.context("`purser api-key issue` printed no key")?));
        Ok(())
    }

    /// Puts files into the account's bucket, as any S3 client does.
    async fn upload(&self, files: Vec<(String, usize)>, variables: &Variables) -> Result<()> {
        let text = |name: &str| variables[name].as_str().unwrap_or_default().to_owned();
        let store = CephStore::new(CephConfig {
            admin_url: self.world.deployment.services().rgw_url.parse()?,
            s3_url: format!("http://{}", text("endpoint")).parse()?,
            admin_access_key: "unused".to_owned(),
            admin_secret_key: "unused".into(),
            request_timeout: STORE_LIMIT,
        })?;
        let keys = S3Keys { access_key: text("access_key"), secret_key: text("secret_key").into() };
        let bucket: BucketName = text("bucket").parse()?;
        futures_util::stream::iter(files)
            .map(|(key, size)| {
                let (store, keys, bucket) = (&store, &keys, &bucket);
                async move { store.put_object(keys, bucket, &key, Bytes::from(vec![b'x'; size])).await }
            })
            .buffer_unordered(UPLOADS_AT_ONCE)
            .try_collect::<Vec<_>>()
            .await?;
        Ok(())
    }

    async fn ask(&self, action: &str, principal: Value, parameters: Value) -> Result<Value> {
        let php = self.php.asking_for(principal);
        let mut reply = Value::Null;
        for _ in 0..TRIES_MAX {
            reply = php.call(action, parameters.clone(), Encoding::MessagePack, None).await?;
            if !asks_to_try_again(&reply) {
                break;
            }
        }
        let is_ok = reply["result"] == "OK" || matches!(reply["code"].as_i64(), Some(200 | 201));
        ensure!(is_ok, "{action}: {reply}");
        Ok(reply)
    }
}
