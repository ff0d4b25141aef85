//! Actions: their names, parameters and replies. `s3.php`'s form parameters carry the same names.

mod buckets;
mod history;
mod orders;
mod plans;

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use buckets::{
    BucketUsageReply, CreateBucket, CreateBucketReply, CreateBucketStatus, GetBucketsRmq, GetBucketsRmqReply,
    MeteringReply,
};
pub use history::{History, HistoryEntryReply, HistoryReply};
pub use orders::{CreateAccount, CreateOrder, CreateOrderReply, ProvisionAccount, ReleaseAccount};
pub use plans::{ListPlans, ListPlansReply, PlanPriceReply, PlanReply};

/// The four services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RoleName {
    /// HTTP to AMQP.
    Gateway,
    /// Accounts, keys, quotas and buckets on RGW.
    Provisioner,
    /// What accounts use.
    Metering,
    /// Plans, orders, services.
    Billing,
}

impl RoleName {
    /// The name in queues, users and schemas.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Provisioner => "provisioner",
            Self::Metering => "metering",
            Self::Billing => "billing",
        }
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether an action changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionKind {
    /// Changes something, once per `message_id`; travels over `s3.commands`.
    Command,
    /// Reads; travels over `s3.queries` and expires when nobody waits any more.
    Query,
}

/// One row of the table of actions.
#[derive(Debug, Clone, Copy)]
pub struct ActionSpec {
    /// The routing key and `type`.
    pub name: &'static str,
    /// Command or query.
    pub kind: ActionKind,
    /// Who answers it.
    pub role: RoleName,
    /// Whether only roles send it to each other; the gateway refuses it.
    pub internal: bool,
    /// Whether `s3.php` takes it by POST only.
    pub post_only: bool,
}

const fn spec(name: &'static str, kind: ActionKind, role: RoleName, internal: bool, post_only: bool) -> ActionSpec {
    ActionSpec { name, kind, role, internal, post_only }
}

/// Every action there is. Topology, gateway and schemas follow this table.
pub const ACTIONS: &[ActionSpec] = &[
    spec("create_account", ActionKind::Command, RoleName::Billing, false, true),
    spec("create_bucket", ActionKind::Command, RoleName::Provisioner, false, true),
    spec("create_order", ActionKind::Command, RoleName::Billing, false, true),
    spec("get_buckets_rmq", ActionKind::Query, RoleName::Provisioner, false, false),
    spec("get_user_info", ActionKind::Query, RoleName::Provisioner, false, false),
    spec("history", ActionKind::Query, RoleName::Billing, false, false),
    spec("list_plans", ActionKind::Query, RoleName::Billing, false, false),
    spec("provision_account", ActionKind::Command, RoleName::Provisioner, true, true),
    spec("release_account", ActionKind::Command, RoleName::Provisioner, true, true),
];

/// The row of an action.
pub fn find_action(name: &str) -> Option<&'static ActionSpec> {
    ACTIONS.iter().find(|spec| spec.name == name)
}

/// The typed parameters of an action.
pub trait Action: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The action's name (its first one, where it answers to two).
    const NAME: &'static str;
}

macro_rules! action {
    ($($type:ty => $name:literal),+ $(,)?) => {
        $(impl Action for $type { const NAME: &'static str = $name; })+
    };
}

action!(
    CreateAccount => "create_account",
    CreateBucket => "create_bucket",
    CreateOrder => "create_order",
    GetBucketsRmq => "get_buckets_rmq",
    History => "history",
    ListPlans => "list_plans",
    ProvisionAccount => "provision_account",
    ReleaseAccount => "release_account",
);
