//! Who may do what on the broker: least privilege per broker user, as data.
//!
//! Nobody but the administrator configures anything. Direct reply-to needs no permission.

use messages::RoleName;

/// Three regular expressions over the names of queues and exchanges. The default exchange is `amq.default`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permissions {
    /// What it may declare and delete.
    pub configure: &'static str,
    /// What it may publish to.
    pub write: &'static str,
    /// What it may consume from.
    pub read: &'static str,
}

/// The kinds of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokerUser {
    /// One of Purser's services.
    Role(RoleName),
    /// A trusted publisher: the PHP frontend, an internal service.
    Publisher,
    /// RGW's bucket notifications.
    Rgw,
}

/// The usual names of the broker users; an installation may choose its own.
pub const BROKER_USERS: [(&str, BrokerUser); 6] = [
    ("purser-gateway", BrokerUser::Role(RoleName::Gateway)),
    ("purser-provisioner", BrokerUser::Role(RoleName::Provisioner)),
    ("purser-metering", BrokerUser::Role(RoleName::Metering)),
    ("purser-billing", BrokerUser::Role(RoleName::Billing)),
    ("php-frontend", BrokerUser::Publisher),
    ("rgw", BrokerUser::Rgw),
];

const NOTHING: &str = "^$";
const ACTIONS: &str = r"^s3\.(commands|queries)$";
/// The default exchange carries replies and retries.
const WORKER_WRITES: &str = r"^(amq\.default|s3\.(commands|events|parked))$";

impl BrokerUser {
    /// What such a client may do.
    pub const fn permissions(self) -> Permissions {
        match self {
            Self::Publisher | Self::Role(RoleName::Gateway) => {
                Permissions { configure: NOTHING, write: ACTIONS, read: NOTHING }
            }
            Self::Role(RoleName::Provisioner) => worker(r"^s3\.provisioner(\.(queries|events|crowded|parked))?$"),
            Self::Role(RoleName::Metering) => worker(r"^s3\.metering(\.(queries|events|crowded|parked|rgw))?$"),
            Self::Role(RoleName::Billing) => worker(r"^s3\.billing(\.(queries|events|crowded|parked))?$"),
            // RGW receives the broker's confirms over a queue that the broker names for it.
            Self::Rgw => Permissions { configure: r"^amq\.gen-", write: r"^s3\.rgw$", read: r"^amq\.gen-" },
        }
    }
}

const fn worker(read: &'static str) -> Permissions {
    Permissions { configure: NOTHING, write: WORKER_WRITES, read }
}
