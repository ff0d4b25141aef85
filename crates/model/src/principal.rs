//! Who is asking.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::CustomerId;

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PrincipalRole {
    /// Sees and changes only what is theirs.
    Customer,
    /// Acts on behalf of any customer.
    Admin,
}

/// Who is asking, as resolved from a token by a trusted publisher.
///
/// An administrator may have no customer of their own; a customer always has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "RawPrincipal", into = "RawPrincipal")]
pub enum Principal {
    /// A customer, for themselves.
    Customer(CustomerId),
    /// An administrator, with their own customer id where they have one.
    Admin(Option<CustomerId>),
}

impl Principal {
    /// The role as it is written on the wire and in the history.
    pub fn role(self) -> PrincipalRole {
        match self {
            Self::Customer(_) => PrincipalRole::Customer,
            Self::Admin(_) => PrincipalRole::Admin,
        }
    }

    /// The caller's own customer id.
    pub fn customer_id(self) -> Option<CustomerId> {
        match self {
            Self::Customer(id) => Some(id),
            Self::Admin(id) => id,
        }
    }

    /// Whether this caller may act for any customer.
    pub fn is_admin(self) -> bool {
        matches!(self, Self::Admin(_))
    }

    /// How the history names this caller: `customer:7`, `admin:1` or `admin`.
    pub fn actor(self) -> String {
        match self {
            Self::Customer(id) => format!("customer:{id}"),
            Self::Admin(Some(id)) => format!("admin:{id}"),
            Self::Admin(None) => "admin".to_owned(),
        }
    }
}

/// The shape on the wire: `{customer_id, role}`.
#[derive(Serialize, Deserialize, JsonSchema)]
struct RawPrincipal {
    #[serde(default)]
    customer_id: Option<CustomerId>,
    role: PrincipalRole,
}

impl From<Principal> for RawPrincipal {
    fn from(principal: Principal) -> Self {
        Self { customer_id: principal.customer_id(), role: principal.role() }
    }
}

impl TryFrom<RawPrincipal> for Principal {
    type Error = &'static str;

    fn try_from(raw: RawPrincipal) -> Result<Self, Self::Error> {
        match (raw.role, raw.customer_id) {
            (PrincipalRole::Customer, Some(id)) => Ok(Self::Customer(id)),
            (PrincipalRole::Customer, None) => Err("principal.customer_id is required for the role customer"),
            (PrincipalRole::Admin, id) => Ok(Self::Admin(id)),
        }
    }
}
