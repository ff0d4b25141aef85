//! RabbitMQ, PostgreSQL and Ceph, each in a container that ends with its test.

use std::env;
use std::panic::{AssertUnwindSafe, resume_unwind};

use futures_util::FutureExt;
use test_support::amqp::{self, AmqpCaller};
use test_support::broker::Management;
use test_support::database;
use test_support::deployment::PortLease;
use test_support::services::Services;
use test_support::world::wait_until;
use testcontainers::core::{IntoContainerPort, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt};
use uuid::Uuid;

use crate::LIMIT;

const PLUGINS: &str = "[rabbitmq_management].";
const ADMIN: &str = "admin";

/// A container with its ports, which stay the same when it is stopped and started.
pub(crate) struct Container {
    container: ContainerAsync<GenericImage>,
    _ports: Vec<PortLease>,
}

impl Container {
    /// SIGKILL, as when the machine's memory is used up.
    pub(crate) async fn kill(&self) {
        self.container.stop_with_timeout(Some(0)).await.unwrap();
    }

    /// Every process of it stops where it is as long as `meanwhile` lasts, and then goes on as if nothing had been.
    pub(crate) async fn freeze<T>(&self, meanwhile: impl Future<Output = T>) -> T {
        self.container.pause().await.unwrap();
        // A frozen container can't be removed, so it is thawed also where an assertion fails.
        let outcome = AssertUnwindSafe(meanwhile).catch_unwind().await;
        self.container.unpause().await.unwrap();
        outcome.unwrap_or_else(|panic| resume_unwind(panic))
    }

    pub(crate) async fn start(&self) {
        self.container.start().await.unwrap();
    }
}

/// Containers of one test, which reach each other by name, and the addresses of what runs in them.
pub(crate) struct Site {
    network: String,
    pub(crate) services: Services,
}

impl Site {
    /// No container yet: the services that all tests share.
    pub(crate) fn new() -> Self {
        let network = format!("purser-test-{}", &Uuid::new_v4().simple().to_string()[..12]);
        Self { network, services: Services::load().unwrap() }
    }

    /// Adds RabbitMQ, and waits until it lets clients in.
    pub(crate) async fn add_rabbitmq(&mut self) -> Container {
        let (amqp, api, password) = (PortLease::take().unwrap(), PortLease::take().unwrap(), secret());
        let config = format!(
            "default_user = {ADMIN}\ndefault_pass = {password}\ndefault_user_tags.administrator = true\n\
             loopback_users = none\ncollect_statistics_interval = 1000\n"
        );
        "127.0.0.1".clone_into(&mut self.services.amqp_host);
        self.services.amqp_port = amqp.port();
        ADMIN.clone_into(&mut self.services.rabbitmq_admin_user);
        self.services.rabbitmq_admin_password = password;
        self.services.rabbitmq_api_url = format!("http://127.0.0.1:{}", api.port());
        self.services.amqp_address_of_rgw = Some(format!("{}:5672", self.name("rabbitmq")));
        let request = self
            .request("rabbitmq", "PURSER_RABBITMQ_IMAGE")
            // Its data belong to this name.
            .with_hostname("rabbitmq")
            .with_copy_to("/etc/rabbitmq/conf.d/90-test.conf", config.into_bytes())
            .with_copy_to("/etc/rabbitmq/enabled_plugins", PLUGINS.as_bytes().to_vec())
            .with_mapped_port(amqp.port(), 5672.tcp())
            .with_mapped_port(api.port(), 15672.tcp());
        let container = request.start().await.unwrap();
        self.wait_for_rabbitmq().await;
        Container { container, _ports: vec![amqp, api] }
    }

    /// Waits until RabbitMQ lets clients in.
    pub(crate) async fn wait_for_rabbitmq(&self) {
        let Services { rabbitmq_admin_password: password, amqp_port, .. } = &self.services;
        let url = format!("amqp://{ADMIN}:{password}@127.0.0.1:{amqp_port}/%2f");
        let management = Management::new(&self.services).unwrap();
        wait_until(LIMIT, "RabbitMQ lets clients in", async || {
            management.queues("/").await.is_ok() && AmqpCaller::connect(&url, amqp::admin()).await.is_ok()
        })
        .await;
    }

    /// Adds PostgreSQL, and waits until it answers.
    pub(crate) async fn add_postgres(&mut self) -> Container {
        let (port, password) = (PortLease::take().unwrap(), secret());
        let url = format!("postgres://postgres:{password}@127.0.0.1:{}/postgres", port.port());
        self.services.postgres_superuser_url.clone_from(&url);
        self.services.postgres_socket_url = url;
        let request = self
            .request("postgres", "PURSER_POSTGRES_IMAGE")
            .with_env_var("POSTGRES_DB", "purser")
            .with_env_var("POSTGRES_PASSWORD_FILE", "/etc/purser-database/password")
            .with_copy_to("/etc/purser-database/password", password.into_bytes())
            .with_mapped_port(port.port(), 5432.tcp());
        let container = request.start().await.unwrap();
        self.wait_for_postgres().await;
        Container { container, _ports: vec![port] }
    }

    /// Waits until PostgreSQL answers.
    pub(crate) async fn wait_for_postgres(&self) {
        wait_until(LIMIT, "PostgreSQL answers", async || {
            let services = self.services.clone();
            tokio::task::spawn_blocking(move || database::psql(&services, "postgres", "SELECT 1"))
                .await
                .unwrap()
                .is_ok()
        })
        .await;
    }

    /// Adds Ceph with radosgw, and waits until it answers.
    pub(crate) async fn add_ceph(&mut self) -> Container {
        let (port, access_key, secret_key) = (PortLease::take().unwrap(), secret(), secret());
        let keys = format!("rgw_access_key={access_key}\nrgw_secret_key={secret_key}\n");
        self.services.rgw_url = format!("http://127.0.0.1:{}", port.port());
        self.services.rgw_access_key = access_key;
        self.services.rgw_secret_key = secret_key;
        let request = self
            .request("ceph", "PURSER_CEPH_IMAGE")
            .with_ready_conditions(vec![WaitFor::healthcheck()])
            .with_startup_timeout(LIMIT)
            .with_copy_to("/etc/purser-ceph/keys", keys.into_bytes())
            .with_mapped_port(port.port(), 8000.tcp());
        Container { container: request.start().await.unwrap(), _ports: vec![port] }
    }

    fn request(&self, service: &str, variable: &str) -> ContainerRequest<GenericImage> {
        let image = env::var(variable).unwrap_or_else(|_| panic!("`in_containers` sets {variable}, and DOCKER_HOST"));
        let (name, tag) = image.split_once(':').unwrap_or((&image, "latest"));
        GenericImage::new(name, tag).with_network(&self.network).with_container_name(self.name(service))
    }

    /// A container's name, by which the others reach it.
    fn name(&self, service: &str) -> String {
        format!("{}-{service}", self.network)
    }
}

fn secret() -> String {
    Uuid::new_v4().simple().to_string()
}
