//! A customer: a random, seeded life of orders, buckets, files and payments, and what must be left of it in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use object_store::ceph::CephStore;
use object_store::{ObjectStore, S3Keys};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::callers::{Ask, Callers, Who};

const ACCOUNTS_MAX: usize = 3;
const BUCKETS_MAX: usize = 40;
/// Longer than the longest wait of a retry.
const OPENS_WITHIN: Duration = Duration::from_mins(15);

/// An account as its customer believes it to be.
#[derive(Debug, Clone, Default)]
pub(super) struct Account {
    pub(super) s3uid: String,
    /// The bucket's name where it was ordered as a package, which is the package's name, too.
    package: Option<String>,
    pub(super) plan_id: i64,
    /// Each with its files.
    pub(super) buckets: BTreeMap<String, BTreeSet<String>>,
    pub(super) is_deleted: bool,
}

/// One customer at work.
pub(super) struct Customer {
    pub(super) id: i64,
    pub(super) accounts: Vec<Account>,
    /// How much was paid, in cents.
    pub(super) paid_cents: i64,
    callers: Arc<Callers>,
    store: Arc<CephStore>,
    random: StdRng,
}

impl Customer {
    pub(super) fn new(id: i64, seed: u64, callers: Arc<Callers>, store: Arc<CephStore>) -> Self {
        let random = StdRng::seed_from_u64(seed.wrapping_mul(1_000_003).wrapping_add(id.cast_unsigned()));
        Self { id, accounts: Vec::new(), paid_cents: 0, callers, store, random }
    }

    /// Lives until `end`, then finishes what it is at.
    pub(super) async fn live(mut self, end: CancellationToken) -> Result<Self> {
        while !end.is_cancelled() {
            self.step().await.with_context(|| format!("customer {}", self.id))?;
            let think = Duration::from_millis(self.random.random_range(0..120));
            tokio::time::sleep(think).await;
        }
        Ok(self)
    }

    async fn step(&mut self) -> Result<()> {
        let living: Vec<usize> = (0..self.accounts.len()).filter(|index| !self.accounts[*index].is_deleted).collect();
        if living.is_empty() || (living.len() < ACCOUNTS_MAX && self.random.random_ratio(1, 12)) {
            return self.order().await;
        }
        let account = living[self.random.random_range(0..living.len())];
        match self.random.random_range(0..100) {
            0..26 => self.create_buckets(account).await,
            26..38 => self.delete_bucket(account).await,
            38..48 => self.use_file(account).await,
            48..58 => self.look(account).await,
            58..76 => self.ask_anything(account).await,
            76..80 => self.change_plan(account).await,
            80..84 => self.cancel_and_stay(account).await,
            84..88 => self.hold(account).await,
            88..93 => self.pay().await,
            93..96 => self.new_password(account).await,
            96..98 => self.refresh(account).await,
            _ => self.delete_account(account).await,
        }
    }

    async fn order(&mut self) -> Result<()> {
        let bucket = bucket_name();
        let mut account = Account { plan_id: 1, ..Account::default() };
        // Packages have no price in Bob's dollars.
        if self.id != 2 && self.random.random_ratio(1, 4) {
            let Some(reply) = self.customer_asks("storage_create", json!({ "name": "PS100" })).await? else {
                return Ok(());
            };
            let name = text(&reply["result"]["name"])?;
            account.package = Some(name.clone());
            account.plan_id = 3;
            account.buckets.insert(name.clone(), BTreeSet::new());
            // The reply names the package only.
            account.s3uid = self.s3uid_of_bucket(&name).await?;
        } else {
            let action = if self.random.random_ratio(1, 5) { "create_account" } else { "create_order" };
            let order = json!({ "plan_id": 1, "bucket_name": bucket, "location": "NL" });
            let Some(reply) = self.customer_asks(action, order).await? else { return Ok(()) };
            account.s3uid = text(&reply["s3uid"])?;
            account.buckets.insert(bucket, BTreeSet::new());
        }
        self.accounts.push(account);
        Ok(())
    }

    /// Metering, which answers, may learn of the bucket a moment later.
    async fn s3uid_of_bucket(&mut self, bucket: &str) -> Result<String> {
        for _ in 0..600 {
            let reply = self.customer_asks("get_users", json!({ "bucket_name": bucket })).await?;
            if let Some(s3uid) = reply.as_ref().and_then(|reply| reply["s3_users"][0]["s3uid"].as_str()) {
                return Ok(s3uid.to_owned());
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        bail!("nobody has the bucket {bucket}")
    }

    /// One to three at once: they wait for each other on the account.
    async fn create_buckets(&mut self, account: usize) -> Result<()> {
        if self.accounts[account].buckets.len() >= BUCKETS_MAX {
            return self.delete_bucket(account).await;
        }
        let count = if self.random.random_ratio(1, 5) { 3 } else { 1 };
        let names: Vec<String> = (0..count).map(|_| bucket_name()).collect();
        let mut asked = tokio::task::JoinSet::new();
        for name in names {
            let parameters = json!({ "s3uid": self.accounts[account].s3uid, "bucket_name": name });
            let ask = self.ask_of(Who::Customer(self.id), "create_bucket", parameters);
            let (callers, mut random) = (Arc::clone(&self.callers), StdRng::seed_from_u64(self.random.random()));
            asked.spawn(async move { (callers.ask(ask, &mut random).await, name) });
        }
        while let Some(joined) = asked.join_next().await {
            let (answer, name) = joined?;
            if self.accepted("create_bucket", &answer?) {
                self.accounts[account].buckets.insert(name, BTreeSet::new());
            }
        }
        Ok(())
    }

    async fn delete_bucket(&mut self, account: usize) -> Result<()> {
        let kept = self.accounts[account].package.clone();
        let empty = |(name, files): (&String, &BTreeSet<String>)| {
            (files.is_empty() && kept.as_ref() != Some(name)).then(|| name.clone())
        };
        let Some(name) = self.accounts[account].buckets.iter().find_map(empty) else { return Ok(()) };
        let parameters = json!({ "s3uid": self.accounts[account].s3uid, "bucket_name": name });
        if self.customer_asks("delete_bucket", parameters).await?.is_some() {
            self.accounts[account].buckets.remove(&name);
        }
        Ok(())
    }

    /// Uploads a file past Purser, sees it, and has it deleted.
    async fn use_file(&mut self, account: usize) -> Result<()> {
        let s3uid = self.accounts[account].s3uid.clone();
        let Some(bucket) = self.accounts[account].buckets.keys().next().cloned() else { return Ok(()) };
        let Some(reply) = self.customer_asks("get_buckets_rmq", json!({ "s3uid": s3uid })).await? else {
            return Ok(());
        };
        let keys = S3Keys { access_key: text(&reply["access_key"])?, secret_key: text(&reply["secret_key"])?.into() };
        let file = format!("file-{}", self.random.random::<u32>());
        if let Err(error) = self.upload(&keys, &bucket, &file).await {
            self.callers.complain(format!("the keys of {s3uid} don't work: {error}"));
            return Ok(());
        }
        let named = json!({ "s3uid": s3uid, "bucket_name": bucket, "filename": file });
        let listed = self.customer_asks("get_files", json!({ "s3uid": s3uid, "bucket_name": bucket })).await?;
        if !listed.is_none_or(|reply| reply.to_string().contains(&file)) {
            self.callers.complain(format!("{file} isn't listed in {bucket}"));
        }
        if self.customer_asks("delete_file", named).await?.is_none() {
            self.accounts[account].buckets.entry(bucket).or_default().insert(file);
        }
        Ok(())
    }

    /// An account that was held back a moment ago opens when the provisioner gets to it.
    async fn upload(&mut self, keys: &S3Keys, bucket: &str, file: &str) -> Result<()> {
        let (bucket, began) = (bucket.parse()?, Instant::now());
        loop {
            let stored = self.store.put_object(keys, &bucket, file, Bytes::from_static(b"content")).await;
            if stored.is_ok() || began.elapsed() > OPENS_WITHIN {
                return Ok(stored?);
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// What the customer reads is what the customer was told.
    async fn look(&mut self, account: usize) -> Result<()> {
        let s3uid = self.accounts[account].s3uid.clone();
        let Some(reply) = self.customer_asks("get_buckets_rmq", json!({ "s3uid": s3uid })).await? else {
            return Ok(());
        };
        let listed = reply["message"].as_array().into_iter().flatten();
        let listed: BTreeSet<&str> = listed.filter_map(|bucket| bucket["name"].as_str()).collect();
        let expected: BTreeSet<&str> = self.accounts[account].buckets.keys().map(String::as_str).collect();
        if listed != expected {
            let (more, less): (Vec<_>, Vec<_>) =
                (listed.difference(&expected).collect(), expected.difference(&listed).collect());
            self.callers.complain(format!("{s3uid} shows too many buckets {more:?}, too few {less:?}"));
        }
        Ok(())
    }

    async fn ask_anything(&mut self, account: usize) -> Result<()> {
        let s3uid = json!({ "s3uid": self.accounts[account].s3uid });
        let questions = [
            ("list_plans", json!({})),
            ("get_available_locations", json!({})),
            ("get_buckets", s3uid.clone()),
            ("get_user_info", s3uid.clone()),
            ("get_users", json!({})),
            ("history", s3uid.clone()),
            ("invoice_preview", s3uid.clone()),
            ("list_invoices", json!({})),
            ("show_key", json!({ "s3uid": self.accounts[account].s3uid, "s3_key": "secret_key" })),
            ("usage_report", s3uid),
            ("storage_info", json!({})),
            ("storage_prices", json!({})),
        ];
        let (action, parameters) = questions[self.random.random_range(0..questions.len())].clone();
        let reply = self.customer_asks(action, parameters).await?;
        let number = reply.as_ref().and_then(|reply| reply["invoices"][0]["number"].as_str().map(str::to_owned));
        if let Some(number) = number {
            self.customer_asks("get_invoice", json!({ "number": number })).await?;
        }
        Ok(())
    }

    async fn change_plan(&mut self, account: usize) -> Result<()> {
        let plan_id = match self.accounts[account].plan_id {
            1 => 2,
            2 => 1,
            _ => return Ok(()),
        };
        let change = json!({ "s3uid": self.accounts[account].s3uid, "plan_id": plan_id });
        self.customer_asks("plan_change_preview", change.clone()).await?;
        if self.customer_asks("change_plan", change).await?.is_some() {
            self.accounts[account].plan_id = plan_id;
        }
        Ok(())
    }

    async fn cancel_and_stay(&mut self, account: usize) -> Result<()> {
        if let Some(name) = self.accounts[account].package.clone() {
            if self.customer_asks("storage_delete", json!({ "name": name })).await?.is_some() {
                self.customer_asks("storage_undelete", json!({ "name": name })).await?;
            }
            return Ok(());
        }
        let s3uid = json!({ "s3uid": self.accounts[account].s3uid });
        if self.customer_asks("delete_payment_account", s3uid.clone()).await?.is_some() {
            self.customer_asks("cancel_payment_account_deletion", s3uid).await?;
        }
        Ok(())
    }

    async fn hold(&mut self, account: usize) -> Result<()> {
        let s3uid = self.accounts[account].s3uid.clone();
        let hold = if self.random.random() { "lock" } else { "suspension" };
        for hold in [hold, "none"] {
            self.admin_asks("hold_service", json!({ "s3uid": s3uid, "hold": hold, "reason": "chaos" })).await?;
        }
        Ok(())
    }

    async fn pay(&mut self) -> Result<()> {
        let cents = self.random.random_range(1..5_000);
        let payment = json!({
            "id": self.id, "amount": format!("{}.{:02}", cents / 100, cents % 100), "reference": self.uuid().to_string(),
            // Bob pays in dollars.
            "currency": if self.id == 2 { "USD" } else { "EUR" },
        });
        if self.admin_asks("add_payment", payment).await?.is_some() {
            self.paid_cents += cents;
        }
        Ok(())
    }

    async fn new_password(&mut self, account: usize) -> Result<()> {
        let Some(name) = self.accounts[account].package.clone() else { return Ok(()) };
        self.customer_asks("storage_newpassword", json!({ "name": name })).await?;
        Ok(())
    }

    async fn refresh(&mut self, account: usize) -> Result<()> {
        let s3uid = json!({ "s3uid": self.accounts[account].s3uid });
        self.admin_asks("update_traffic_info", s3uid).await?;
        Ok(())
    }

    async fn delete_account(&mut self, account: usize) -> Result<()> {
        let s3uid = json!({ "s3uid": self.accounts[account].s3uid, "reason": "chaos" });
        if self.admin_asks("delete_account", s3uid).await?.is_some() {
            self.accounts[account].is_deleted = true;
        }
        Ok(())
    }

    async fn customer_asks(&mut self, action: &'static str, parameters: Value) -> Result<Option<Value>> {
        self.asks(Who::Customer(self.id), action, parameters).await
    }

    async fn admin_asks(&mut self, action: &'static str, parameters: Value) -> Result<Option<Value>> {
        self.asks(Who::Admin, action, parameters).await
    }

    async fn asks(&mut self, who: Who, action: &'static str, parameters: Value) -> Result<Option<Value>> {
        let ask = self.ask_of(who, action, parameters);
        let answer = self.callers.ask(ask, &mut self.random).await?;
        Ok(self.accepted(action, &answer).then_some(answer))
    }

    /// Everything that is asked here is right: a refusal must not be, but of an order that came too late, and of an account
    /// that was held back a moment ago and that the provisioner is about to open.
    fn accepted(&self, action: &str, answer: &Value) -> bool {
        let is_done = answer["result"] == "OK" || matches!(answer["code"].as_i64(), Some(200 | 201));
        let message = answer["message"].as_str().unwrap_or_default();
        let may_be =
            ["order failed", "is suspended", "is locked for writing"].iter().any(|part| message.contains(part));
        if !is_done && !may_be {
            self.callers.complain(format!("customer {}: {action} was refused: {answer}", self.id));
        }
        is_done
    }

    fn ask_of(&mut self, who: Who, action: &'static str, parameters: Value) -> Ask {
        Ask { id: self.uuid(), who, action, parameters }
    }

    fn uuid(&mut self) -> Uuid {
        uuid::Builder::from_random_bytes(self.random.random()).into_uuid()
    }
}

fn text(value: &Value) -> Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("{value} is no text"))
}

/// The store is shared with earlier runs of the same seed.
fn bucket_name() -> String {
    format!("chaos-{}", Uuid::new_v4().simple())
}
