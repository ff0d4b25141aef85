//! Orders: what is checked before anything is made, and what a caller reads in the end.

use messages::{CreateOrderReply, Refusal, RefusalKind, Reply, StorageCreated};
use model::{BucketName, CustomerId, Location, Money, MoneyError, OrderId, S3Uid, Timestamp};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::customer::{Customer, Standing};
use super::plan::{Plan, PlanPrice};
use super::service::ServiceState;

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OrderState {
    /// Taken; the invoicing system has yet to accept it.
    Ordered,
    /// The provisioner has been told; its event is awaited.
    Provisioning,
    /// The account is usable and billed.
    Completed,
    /// Nothing was made, or it is being taken back; nothing is billed.
    Failed,
}

/// An order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Order {
    pub(crate) id: OrderId,
    pub(crate) customer_id: CustomerId,
    pub(crate) s3uid: S3Uid,
    /// What `/storage` calls it.
    pub(crate) name: String,
    pub(crate) location: Location,
    pub(crate) bucket_name: BucketName,
    /// The name under which it was ordered: `create_order`, `create_account` or `storage_create`.
    pub(crate) action: String,
    pub(crate) principal: String,
    pub(crate) message_id: Uuid,
    pub(crate) state: OrderState,
    pub(crate) deadline: Timestamp,
}

impl OrderState {
    /// What the service that is ordered is meanwhile; `None` once the order is concluded.
    pub(crate) const fn service_state(self) -> Option<ServiceState> {
        match self {
            Self::Ordered => Some(ServiceState::Ordered),
            Self::Provisioning => Some(ServiceState::Initializing),
            Self::Completed | Self::Failed => None,
        }
    }
}

/// Whether this customer may order this plan there.
pub(crate) fn check(
    plan: &Plan,
    customer: &Customer,
    location: &Location,
    (standing, tax_percent): (&Standing, Decimal),
    free_accounts: i64,
    free_accounts_max: u32,
) -> Result<(), Refusal> {
    if !plan.active {
        return Err(Refusal::conflict(format!("S3 plan {} is not active", plan.id)));
    }
    if !plan.locations.contains(location) {
        let offered: Vec<&str> = plan.locations.iter().map(Location::as_str).collect();
        return Err(Refusal::new(format!(
            "S3 plan {} is not available in {location}; it is available in {}",
            plan.id,
            offered.join(", ")
        )));
    }
    let Some(price) = plan.prices.get(&customer.currency) else {
        return Err(Refusal::new(format!("S3 plan {} has no price in {}", plan.id, customer.currency)));
    };
    if price.price.amount().is_zero() {
        return check_free(free_accounts, free_accounts_max);
    }
    check_credit(customer, standing, price, tax_percent)
}

/// Whether a customer who has so many free accounts may have another one.
pub(crate) fn check_free(free_accounts: i64, free_accounts_max: u32) -> Result<(), Refusal> {
    if free_accounts < i64::from(free_accounts_max) {
        return Ok(());
    }
    let message = format!("a customer may have {free_accounts_max} free S3 accounts at most");
    Err(Refusal::new(message).of_kind(RefusalKind::Forbidden))
}

/// Whether nothing of the customer's is overdue, and their credit limit allows one more first invoice.
pub(crate) fn check_credit(
    customer: &Customer,
    standing: &Standing,
    price: &PlanPrice,
    tax_percent: Decimal,
) -> Result<(), Refusal> {
    let forbidden = |message: String| Err(Refusal::new(message).of_kind(RefusalKind::Forbidden));
    if standing.is_overdue {
        return forbidden("earlier invoices are overdue; this can be ordered once they are paid".to_owned());
    }
    let Some(limit) = customer.credit_limit else { return Ok(()) };
    let unreadable = |error: MoneyError| Refusal::new(error.to_string());
    let gross = |net: Money| net.checked_add(net.tax(tax_percent));
    let first = gross(price.price.checked_add(price.setup_fee).map_err(unreadable)?).map_err(unreadable)?;
    let open = standing.open.checked_add(gross(standing.uninvoiced).map_err(unreadable)?).map_err(unreadable)?;
    let owed = Money::sum([first, open, standing.credit.negated()], customer.currency).map_err(unreadable)?;
    if owed.amount() <= limit.amount() {
        return Ok(());
    }
    forbidden(format!(
        "the credit limit of {limit} is too low: {open} are open, {} are credit, and the first invoice is {first}",
        standing.credit
    ))
}

/// A new account's short readable name, which can also be a bucket's.
pub(crate) fn name_of(s3uid: &S3Uid) -> String {
    format!("st-{}", &s3uid.as_str()[..12])
}

/// The reply when the account is usable; its first bucket may have failed.
pub(crate) fn completed_reply(order: &Order, bucket_error: Option<&str>) -> Reply {
    if order.action == "storage_create" {
        // The package is there and costs money, whatever became of its bucket; the history tells that.
        return Reply::success(&order.action, &StorageCreated { name: order.name.clone() });
    }
    let Some(reason) = bucket_error else {
        return Reply::success(&order.action, &CreateOrderReply { s3uid: order.s3uid.clone() });
    };
    let message = if order.action == "create_account" {
        format!(
            "S3 account was being created, however a bucket creation error occurred - {reason}. Please notify the \
             administrator."
        )
    } else {
        format!("S3 account was being created, but a bucket creation error occurred - {reason}")
    };
    let refusal = Refusal::conflict(message).with_details(serde_json::json!({"s3uid": order.s3uid}));
    Reply::refused(&order.action, &refusal)
}

#[cfg(test)]
mod tests {
    use messages::find_action;
    use model::Currency;

    use super::*;
    use crate::domain::customer::tests::customer;
    use crate::domain::plan::tests::plan;

    fn standing(open: &str, uninvoiced: &str, credit: &str) -> Standing {
        let eur = |text: &str| Money::rounded(text.parse().unwrap(), Currency::EUR);
        Standing { open: eur(open), uninvoiced: eur(uninvoiced), is_overdue: false, credit: eur(credit) }
    }

    #[test]
    fn a_paid_order_needs_credit_and_no_overdue_invoices() {
        let (plan, location) = (plan(1, true, "NL", &["EUR"]), "NL".parse().unwrap());
        let mut customer = customer("NL");
        let overdue = Standing { is_overdue: true, ..standing("0", "0", "0") };
        let limit_of = |limit: &str, open: &str, first: &str| {
            format!(
                "the credit limit of {limit} EUR is too low: {open} EUR are open, 0.00 EUR are credit, and the first invoice is {first} EUR"
            )
        };
        // The first invoice is 9.80 and 21 %.
        for (limit, now, refusal) in [
            (None, standing("1000", "0", "0"), None),
            (None, overdue, Some("earlier invoices are overdue; this can be ordered once they are paid".to_owned())),
            (Some("11.86"), standing("0", "0", "0"), None),
            (Some("11.85"), standing("0", "0", "0"), Some(limit_of("11.85", "0.00", "11.86"))),
            (Some("20"), standing("15", "0", "6.86"), None),
            (Some("20"), standing("0", "9.80", "0"), Some(limit_of("20.00", "11.86", "11.86"))),
            (Some("0"), standing("0", "0", "11.86"), None),
        ] {
            customer.credit_limit = limit.map(|text| Money::rounded(text.parse().unwrap(), Currency::EUR));
            let checked = check(&plan, &customer, &location, (&now, Decimal::from(21)), 0, 1);
            assert_eq!(checked.err().map(|refusal| refusal.message), refusal);
        }
    }

    #[test]
    fn an_order_is_checked_before_anything_is_made() {
        let customer = customer("NL");
        let standing = standing("0", "0", "0");
        let mut free = plan(4, true, "NL", &["EUR"]);
        let price = free.prices.get_mut(&Currency::EUR).unwrap();
        price.price = model::Money::rounded(rust_decimal::Decimal::ZERO, Currency::EUR);
        for (plan, location, free_accounts, refusal) in [
            (plan(1, true, "NL", &["EUR"]), "NL", 9, None),
            (plan(1, false, "NL", &["EUR"]), "NL", 0, Some("S3 plan 1 is not active")),
            (plan(1, true, "NL", &["EUR"]), "US", 0, Some("S3 plan 1 is not available in US; it is available in NL")),
            (plan(1, true, "NL", &["USD"]), "NL", 0, Some("S3 plan 1 has no price in EUR")),
            (free.clone(), "NL", 0, None),
            (free, "NL", 1, Some("a customer may have 1 free S3 accounts at most")),
        ] {
            let checked =
                check(&plan, &customer, &location.parse().unwrap(), (&standing, Decimal::ZERO), free_accounts, 1);
            assert_eq!(checked.err().map(|refusal| refusal.message).as_deref(), refusal);
        }
    }

    #[test]
    fn each_name_has_its_own_failure_text() {
        let mut order = Order {
            id: OrderId(Uuid::nil()),
            customer_id: CustomerId(7),
            s3uid: "5f8e9d2a1b0c4e3f7a6b5c4d3e2f1a0b".parse().unwrap(),
            name: "st-5f8e9d2a1b0c".to_owned(),
            location: "NL".parse().unwrap(),
            bucket_name: "abc".parse().unwrap(),
            action: "create_order".to_owned(),
            principal: String::new(),
            message_id: Uuid::nil(),
            state: OrderState::Provisioning,
            deadline: Timestamp::MIN_UTC,
        };
        let message = |order: &Order| {
            let reply: serde_json::Value =
                serde_json::from_str(completed_reply(order, Some("taken")).as_json_text()).unwrap();
            reply["message"].as_str().unwrap().to_owned()
        };
        assert_eq!(message(&order), "S3 account was being created, but a bucket creation error occurred - taken");
        assert_eq!(
            completed_reply(&order, None).as_json_text(),
            r#"{"result":"OK","action":"create_order","s3uid":"5f8e9d2a1b0c4e3f7a6b5c4d3e2f1a0b"}"#
        );
        order.action = "create_account".to_owned();
        assert_eq!(
            message(&order),
            "S3 account was being created, however a bucket creation error occurred - taken. Please notify the \
             administrator."
        );
        assert!(find_action(&order.action).is_some());
    }
}
