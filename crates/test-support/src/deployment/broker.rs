//! A deployment's virtual host, and the broker users that all deployments share.

use anyhow::{Context, Result};
use bus::{BROKER_USERS, Topology};

use super::{Deployment, machine};
use crate::broker::{Management, Permissions};
use crate::services::Services;

/// The password of a usual user.
pub(super) fn password_of(services: &Services, user: &str) -> String {
    machine::derived_password(&services.rabbitmq_admin_password, user)
}

/// Makes the virtual host with the whole topology, the users, and their permissions there.
pub(super) async fn prepare(deployment: &Deployment) -> Result<()> {
    let (services, vhost) = (deployment.services(), deployment.name());
    let management = Management::new(services)?;
    management.create_vhost(vhost).await?;
    management.set_permissions(vhost, &services.rabbitmq_admin_user, Permissions::ALL).await?;
    make_users(services, &management).await?;
    for (user, kind) in BROKER_USERS {
        let bus::Permissions { configure, write, read } = kind.permissions();
        management.set_permissions(vhost, user, Permissions { configure, write, read }).await?;
    }
    let definitions = Topology::purser().definitions_json();
    management.import_definitions(vhost, &definitions).await.context("importing the topology")
}

/// Two who make the same user at once disturb each other: one at a time.
async fn make_users(services: &Services, management: &Management) -> Result<()> {
    let _lock = machine::lock("broker-users").await?;
    for (user, _) in BROKER_USERS {
        management.put_user(user, &password_of(services, user), "").await?;
    }
    Ok(())
}
