//! Every step of every command fails, and every step is done twice: what comes of it is always the same.
//!
//! A command is done once undisturbed, while proxies between the workers and PostgreSQL, RabbitMQ and RGW note its steps:
//! each transaction, each message published or acknowledged, each request that changes something. Then it is done again
//! and again, with fresh subjects, and at one step after the other the connection is cut before the step, or behind it,
//! or the step is held back while the same command comes again and is done by somebody else.

mod cases;

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use messages::{ACTIONS, ActionKind, ActionSpec, Api, Encoding, RoleName};
use object_store::ObjectStore;
use serde_json::{Value, json};
use sqlx::PgPool;
use test_support::amqp::{self, AmqpCaller};
use test_support::cuts::{CutProxy, Fault, Steps, Target, Wire};
use test_support::deployment::{Deployment, FRONTEND_USER, Settings};
use test_support::world::{World, wait_until};
use tokio::time::timeout;
use url::Url;
use uuid::Uuid;

use self::cases::Subject;
use crate::{LIMIT, admin_store, text};

/// After it somebody else may go on with what was begun; as configured.
const LEASE: Duration = Duration::from_secs(1);
const FAULTS: [Fault; 3] = [Fault::Lost, Fault::Unanswered, Fault::Held];
/// Set, each step suffers each fault; that takes the better part of an hour.
const ALL_STEPS: &str = "PURSER_ALL_STEPS";
/// Otherwise one of so many pairs of step and fault has its turn, in each command another one first.
const ONE_OF: usize = 8;

/// A world whose workers reach everything through proxies.
struct Lab {
    world: World,
    steps: Steps,
    caller: AmqpCaller,
    /// What is asked again and again until it is so, needs no new process each time.
    database: PgPool,
    _proxies: Vec<CutProxy>,
}

impl Lab {
    /// `direct` roles run without proxies in between.
    async fn start(direct: &[&str], behind_proxies: &[&str], publisher: &str) -> Self {
        // A sweep in between would find what was half made, and tell of it.
        let settings =
            Settings { lease_seconds: LEASE.as_secs(), sweep_interval_seconds: 3_600, ..Settings::default() };
        let mut world = World::start_with(settings, direct).await;
        world.messages_may_stay();
        let (steps, mut proxies) = (Steps::default(), Vec::new());
        for role in behind_proxies {
            let variables = variables_of(&world.deployment, &steps, role, &mut proxies).await;
            let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            world.processes.push(world.deployment.spawn(role, &variables).await.unwrap());
        }
        let caller = AmqpCaller::connect(&world.deployment.amqp_url(publisher), amqp::customer(1)).await.unwrap();
        let database = PgPool::connect(&world.deployment.database_url().unwrap()).await.unwrap();
        Self { world, steps, caller, database, _proxies: proxies }
    }

    /// The rows of one column of texts.
    async fn sql(&self, sql: String) -> Vec<String> {
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_all(&self.database).await.unwrap()
    }

    /// Does every command that is `chosen`, undisturbed and with every fault.
    async fn run(&self, chosen: impl Fn(&ActionSpec) -> bool) {
        let commands = ACTIONS.iter().filter(|spec| spec.kind == ActionKind::Command && chosen(spec));
        let mut counts = Counts::default();
        for (turn, spec) in commands.enumerate() {
            self.run_command(spec, turn, &mut counts).await;
        }
        println!("{counts:?}");
        assert!(counts.hit > 3 * counts.missed, "most steps come again where they came before: {counts:?}");
    }

    async fn run_command(&self, spec: &ActionSpec, turn: usize, counts: &mut Counts) {
        let mut undisturbed = self.run_fresh(spec).await;
        for _ in 0..2 {
            if !undisturbed.taken.iter().any(|label| is_late(label)) {
                break;
            }
            undisturbed = self.run_fresh(spec).await;
        }
        let targets = targets(spec, &undisturbed.taken, turn);
        for kind in ["commit", "publish", "acknowledge"] {
            let is_there = undisturbed.taken.iter().any(|label| label.contains(kind));
            assert!(is_there, "{} has no step to {kind}: {:?}", spec.name, undisturbed.taken);
        }
        let subjects = stream::iter(0..targets.len()).map(|_| cases::prepare(&self.world, &self.caller, spec));
        let subjects: Vec<_> = subjects.buffer_unordered(4).collect().await;
        counts.commands += 1;
        for (target, subject) in targets.into_iter().zip(subjects) {
            let what = format!("{} with {target:?}", spec.name);
            let disturbed = self.run_once(spec, &subject, Some(target)).await;
            assert_eq!(disturbed.picture, undisturbed.picture, "{what}");
            *if disturbed.is_hit { &mut counts.hit } else { &mut counts.missed } += 1;
            if !disturbed.is_hit {
                println!("never came: {what}");
            }
        }
    }

    /// Does the command undisturbed, for a subject of its own.
    async fn run_fresh(&self, spec: &ActionSpec) -> Run {
        let subject = cases::prepare(&self.world, &self.caller, spec).await;
        self.run_once(spec, &subject, None).await
    }

    /// Does the command, with a fault where there is a target, until all is quiet.
    async fn run_once(&self, spec: &ActionSpec, subject: &Subject, target: Option<Target>) -> Run {
        let id = Uuid::new_v4();
        self.wait_until_quiet(spec, spec.name).await;
        let before = self.events(subject.s3uid.as_deref(), subject).await;
        let fault = target.as_ref().map(|target| target.fault);
        self.steps.begin(target.clone());
        let call = || subject.caller.call(spec.name, subject.parameters.clone(), Encoding::MessagePack, Some(id));
        let disturb = async {
            let Some(fault) = fault else { return };
            wait_until(LIMIT, "the step", async || self.steps.is_hit()).await;
            if fault == Fault::Held {
                // The same again, while the first can't go on. Where the database makes it wait for the first, both wait.
                let _ = timeout(LEASE + LEASE, call()).await;
                self.steps.release();
            }
        };
        let work = async {
            let reply = call().await.unwrap_or_else(|error| panic!("{} with {target:?}: {error:#}", spec.name));
            assert!(cases::succeeded(&reply), "{} with {target:?}: {reply}", spec.name);
            let s3uid = self.account(subject, &reply).await;
            self.wait_for_end(spec, subject, s3uid.as_deref(), &before, target.as_ref()).await;
            (reply, s3uid)
        };
        tokio::pin!(disturb, work);
        let (reply, s3uid) = tokio::select! {
            done = &mut work => done,
            () = &mut disturb => work.await,
        };
        let (taken, is_hit) = (self.steps.taken(), self.steps.is_hit());
        self.steps.begin(None);
        let again = call().await.unwrap();
        assert_eq!(again, reply, "the saved reply of {} with {target:?}", spec.name);
        let mut picture = self.picture(s3uid.as_deref(), subject).await;
        picture["reply"] = shape(&reply);
        Run { picture, taken, is_hit }
    }

    /// Waits until all that follows from the command has happened, and nothing is left of its way.
    async fn wait_for_end(
        &self,
        spec: &ActionSpec,
        subject: &Subject,
        s3uid: Option<&str>,
        before: &[String],
        target: Option<&Target>,
    ) {
        let what = format!("{} with {target:?} has told {:?}", spec.name, cases::events(spec.name));
        let mut told = Vec::new();
        let all_told = async {
            loop {
                told = self.events(s3uid, subject).await;
                told.drain(..before.len().min(told.len()));
                told.sort_unstable();
                if told == cases::events(spec.name) {
                    return;
                }
                self.hurry().await;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let is_told = timeout(LIMIT, all_told).await.is_ok();
        assert!(is_told, "{what}, but rather {told:?}");
        self.wait_until_quiet(spec, &what).await;
    }

    /// Waits until no message and no work is under way.
    async fn wait_until_quiet(&self, spec: &ActionSpec, what: &str) {
        let role = spec.role;
        let left = format!(
            "SELECT 'intent' FROM provisioner.intents UNION ALL SELECT 'message' FROM {role}.outbox
             UNION ALL SELECT 'message' FROM provisioner.outbox UNION ALL SELECT 'caller' FROM billing.waiting_callers
             UNION ALL SELECT 'purge' FROM provisioner.purges WHERE finished_at IS NULL"
        );
        wait_until(LIMIT, &format!("quiet: {what}"), async || {
            self.steps.in_hand() == 0 && self.sql(left.clone()).await.is_empty()
        })
        .await;
    }

    /// A purge whose claim was lost waits for a minute; nobody need wait for that here.
    async fn hurry(&self) {
        if self.steps.is_hit() {
            let sql = "UPDATE provisioner.purges SET lease_until = now()
                       WHERE finished_at IS NULL AND lease_until > now() + interval '2 seconds'
                       AND lease_until < now() + interval '57 seconds' RETURNING s3uid";
            self.sql(sql.to_owned()).await;
        }
    }

    /// The account that a command is about, or has made.
    async fn account(&self, subject: &Subject, reply: &Value) -> Option<String> {
        if subject.s3uid.is_some() || subject.reference.is_some() {
            return subject.s3uid.clone();
        }
        if let Some(name) = reply["result"]["name"].as_str() {
            return self.sql(format!("SELECT s3uid FROM billing.orders WHERE name = '{name}'")).await.pop();
        }
        Some(text(&reply["s3uid"]))
    }

    /// What the history tells, in its order, but for invoices, which are issued in their own time.
    async fn events(&self, s3uid: Option<&str>, subject: &Subject) -> Vec<String> {
        let about = match (s3uid, &subject.reference) {
            (Some(s3uid), _) => format!("subject = 'account/{s3uid}'"),
            (None, Some(reference)) => format!("data->>'reference' = '{reference}'"),
            (None, None) => return Vec::new(),
        };
        let sql = format!(
            "SELECT event FROM history.entries WHERE {about} AND event NOT LIKE 'invoice.%' AND event NOT LIKE 'credit_note.%'
             AND event NOT LIKE 'quota.%' ORDER BY id"
        );
        self.sql(sql).await
    }

    /// What database and RGW hold, without what differs from subject to subject.
    async fn picture(&self, s3uid: Option<&str>, subject: &Subject) -> Value {
        let mut picture = json!({});
        if let Some(reference) = &subject.reference {
            let sql = format!("SELECT amount::text FROM billing.payments WHERE reference = '{reference}'");
            picture["payments"] = json!(self.sql(sql).await);
        }
        let Some(s3uid) = s3uid else { return picture };
        for (name, columns) in [
            ("billing.orders", "state, failure"),
            ("billing.services", "state, plan_id, cancelled_at IS NULL, terminated_at IS NULL"),
            ("provisioner.accounts", "state, access, quota_bytes"),
            ("provisioner.buckets", "deleted_at IS NULL"),
            ("provisioner.purges", "objects_deleted, cardinality(buckets_deleted)"),
        ] {
            let sql = format!("SELECT ({columns})::text FROM {name} WHERE s3uid = '{s3uid}' ORDER BY 1");
            picture[name] = json!(self.sql(sql).await);
        }
        let (store, uid) = (admin_store(&self.world), s3uid.parse().unwrap());
        let user = store.user(&uid).await.unwrap();
        if let Some(user) = user {
            picture["user"] =
                json!([user.access_keys.len(), format!("{:?}", user.access), format!("{:?}", user.quota)]);
            let sql = format!("SELECT access_key FROM provisioner.accounts WHERE s3uid = '{s3uid}'");
            assert_eq!(user.access_keys, self.sql(sql).await, "RGW and the database have the same key");
            picture["buckets"] = json!(store.bucket_usages(&uid).await.unwrap().len());
        }
        picture
    }
}

/// What came of a command.
struct Run {
    picture: Value,
    /// The steps' labels.
    taken: Vec<String>,
    is_hit: bool,
}

#[derive(Debug, Default)]
struct Counts {
    commands: usize,
    hit: usize,
    missed: usize,
}

/// The environment of a role that reaches all three services through proxies.
async fn variables_of(
    deployment: &Deployment,
    steps: &Steps,
    role: &str,
    proxies: &mut Vec<CutProxy>,
) -> Vec<(String, String)> {
    let services = deployment.services();
    let mut through = async |wire: Wire, url: &mut Url| {
        let server = format!("{}:{}", url.host_str().unwrap(), url.port_or_known_default().unwrap());
        let proxy = steps.proxy(role, wire, &server).await.unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(proxy.address().port())).unwrap();
        proxies.push(proxy);
    };
    let tcp: Url = services.postgres_superuser_url.parse().unwrap();
    let mut database: Url = deployment.database_url_of(&format!("purser_{role}")).unwrap().parse().unwrap();
    database.set_host(tcp.host_str()).unwrap();
    database.set_port(tcp.port()).unwrap();
    database.set_query(Some("sslmode=disable"));
    let mut broker: Url = deployment.amqp_url(&format!("purser-{role}")).parse().unwrap();
    let mut rgw: Url = services.rgw_url.parse().unwrap();
    through(Wire::Postgres, &mut database).await;
    through(Wire::Rabbit, &mut broker).await;
    through(Wire::Http, &mut rgw).await;
    let section = role.to_uppercase();
    vec![
        (format!("PURSER__{section}__DATABASE_URL"), database.into()),
        (format!("PURSER__{section}__AMQP_URL"), broker.into()),
        ("PURSER__LOCATIONS__NL__RGW_URL".to_owned(), rgw.into()),
    ]
}

/// What may fail: all steps that an undisturbed command took, with each fault.
fn targets(spec: &ActionSpec, taken: &[String], turn: usize) -> Vec<Target> {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut targets = Vec::new();
    for label in taken {
        let count = seen.entry(label).or_default();
        let nth = *count;
        *count += 1;
        // Purges are looked for all the time: a few times are enough.
        let polls = label.ends_with("write provisioner.purges") && nth > 2;
        if !polls && !is_of_its_own_accord(spec, label) {
            targets.extend(FAULTS.map(|fault| Target { label: label.clone(), nth, fault }));
        }
    }
    if std::env::var_os(ALL_STEPS).is_none() {
        targets = targets.into_iter().skip(turn % ONE_OF).step_by(ONE_OF).collect();
    }
    targets
}

/// What a slow machine brings about: a lease that ends too early, a message that comes back later.
fn is_late(label: &str) -> bool {
    label.contains(".retry.") || label.ends_with("write intents")
}

/// What workers do at their own times, whatever is commanded.
fn is_of_its_own_accord(spec: &ActionSpec, label: &str) -> bool {
    let deletes = ["delete_account", "purge_account"].contains(&spec.name);
    let is_metering_s = spec.role == RoleName::Metering;
    is_late(label)
        || label.ends_with("write answered_commands")
        || (is_metering_s
            && !["the command", "answered_commands", "the reply", "s3.metering"].iter().any(|end| label.ends_with(end)))
        || ["invoice", "credit_note", "usage", "documents"].iter().any(|word| label.contains(word))
        || (label.ends_with("write provisioner.purges") && !deletes)
}

/// A reply without what differs each time: its fields, and the kinds of their values.
fn shape(reply: &Value) -> Value {
    match reply {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), shape(value))).collect(),
        Value::Array(values) => values.iter().map(shape).collect(),
        Value::String(text) if text.len() > 8 => json!("a text"),
        other => other.clone(),
    }
}

/// The commands that end with a new account, or without one.
const LONG: [&str; 4] = ["create_account", "create_order", "delete_account", "storage_create"];

#[tokio::test]
async fn each_step_of_orders_and_deletions_may_fail_or_come_twice() {
    let lab = Lab::start(&["metering", "gateway"], &["billing", "provisioner"], FRONTEND_USER).await;
    lab.run(|spec| spec.role == RoleName::Billing && LONG.contains(&spec.name)).await;
}

#[tokio::test]
async fn each_step_of_billing_s_other_commands_may_fail_or_come_twice() {
    let lab = Lab::start(&["metering", "gateway"], &["billing", "provisioner"], FRONTEND_USER).await;
    lab.run(|spec| spec.role == RoleName::Billing && !LONG.contains(&spec.name)).await;
}

#[tokio::test]
async fn each_step_of_the_provisioner_s_commands_may_fail_or_come_twice() {
    let lab = Lab::start(&["metering", "gateway", "billing"], &["provisioner"], FRONTEND_USER).await;
    lab.run(|spec| spec.role == RoleName::Provisioner && spec.api != Api::Internal).await;
}

#[tokio::test]
async fn each_step_of_commands_between_roles_may_fail_or_come_twice() {
    // Without billing, which has no orders for them.
    let lab = Lab::start(&["metering"], &["provisioner"], "purser-billing").await;
    lab.run(|spec| spec.role == RoleName::Provisioner && spec.api == Api::Internal).await;
}

#[tokio::test]
async fn each_step_of_metering_s_commands_may_fail_or_come_twice() {
    let lab = Lab::start(&["billing", "provisioner", "gateway"], &["metering"], FRONTEND_USER).await;
    lab.run(|spec| spec.role == RoleName::Metering).await;
}
