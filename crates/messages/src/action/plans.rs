//! Reading what can be ordered.

use std::collections::BTreeMap;

use model::{Currency, Location, PlanId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::lenient;

/// Lists plans: all for administrators; active ones in their own currency for customers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ListPlans {
    /// One plan only, for administrators.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub id: Option<PlanId>,
    /// One location only.
    #[serde(default)]
    pub location: Option<String>,
}

/// Lists the locations in which S3 can be ordered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GetAvailableLocations {}

/// The reply to `get_available_locations`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AvailableLocationsReply {
    /// Those with a plan that the caller can order, by code.
    pub locations: Vec<Location>,
    /// The one that is meant where an order names none.
    pub default: Location,
}

/// The reply to `list_plans`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ListPlansReply {
    /// By plan id.
    pub plans: Vec<PlanReply>,
}

/// One plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlanReply {
    /// The plan's number.
    pub id: PlanId,
    /// Its name.
    pub name: String,
    /// 1 when it can be ordered, else 0.
    pub active: u8,
    /// For example `standard`.
    pub storage_type: String,
    /// Where it can be ordered: the first of `locations`.
    pub location: String,
    /// Everywhere it can be ordered.
    pub locations: Vec<Location>,
    /// What it costs per payment period.
    pub price: PlanPriceReply,
    /// Price of each further GB of traffic, by lower-case currency.
    pub traffic_overage_price: BTreeMap<String, f64>,
    /// Price of each further GB stored, by lower-case currency.
    pub storage_overage_price: BTreeMap<String, f64>,
}

/// A plan's price.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlanPriceReply {
    /// In the operator's base currency.
    pub base_price: f64,
    /// By upper-case currency.
    pub price: BTreeMap<Currency, f64>,
}
