//! Having accounts made: the command to the provisioner, whose event concludes the order.

use history::{Failure, Step};
use messages::{ProvisionAccount, Subject};
use model::{ByteCount, Principal, Timestamp};

use crate::domain::order::{Order, OrderState};
use crate::domain::service::{ServiceChange, ServiceState};
use crate::store;

/// Has the account of an accepted order made, until `deadline`.
pub(crate) async fn provision(step: &mut Step, order: &Order, deadline: Timestamp) -> Result<(), Failure> {
    let state = ServiceState::Ordered.after(ServiceChange::Provision);
    state.map_err(|error| Failure::Unavailable(error.to_string()))?;
    let quota_bytes = store::orders::begin_provisioning(step.connection(), order.id, deadline).await?;
    let order = Order { deadline, state: OrderState::Provisioning, ..order.clone() };
    send_provision(step, Principal::Customer(order.customer_id), &order, quota_bytes, None).await
}

/// The command to the provisioner.
pub(crate) async fn send_provision(
    step: &mut Step,
    principal: Principal,
    order: &Order,
    quota_bytes: i64,
    traceparent: Option<&str>,
) -> Result<(), Failure> {
    let subject = Subject::Account(order.s3uid.clone());
    let command = ProvisionAccount {
        order_id: order.id,
        s3uid: order.s3uid.clone(),
        customer_id: order.customer_id,
        location: order.location.clone(),
        bucket_name: order.bucket_name.clone(),
        quota_bytes: ByteCount::from_i64(quota_bytes).bytes(),
    };
    step.send(&subject, principal, order.id.0, Some(order.deadline), traceparent, &command).await
}
