//! One set of private services: starting, stopping and looking at them.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::ceph::Ceph;
use super::external::External;
use super::postgres::Cluster;
use super::process::{self, write_private};
use super::progress::Progress;
use super::rabbitmq::{self, Broker, OperatorsFiles};
use super::settings::{Layout, Settings};
use super::tls::ServerCertificate;
use super::{Service, Services, packages};

const LOCK_LIMIT: Duration = Duration::from_mins(10);

/// The services of one folder; two folders' services don't know of each other.
pub struct Stack {
    layout: Layout,
    certificate: Option<ServerCertificate>,
    broker_files: Option<OperatorsFiles>,
}

/// What one service does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Its address comes from the environment.
    External,
    /// It runs as this process.
    Running {
        /// The process id of the broker, of PostgreSQL's server, or of radosgw.
        pid: i32,
    },
    /// It doesn't run, or not all of its processes do.
    Stopped,
}

impl Stack {
    /// The workspace's own, in `target/dev` at its root wherever cargo's target folder is.
    pub fn workspace() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        Self::at(&root.join("target/dev"))
    }

    /// The stack in `dir`, which is made where it doesn't exist.
    pub fn at(dir: &Path) -> Result<Self> {
        Ok(Self { layout: Layout::at(dir)?, certificate: None, broker_files: None })
    }

    /// Has the broker and the database, where they are started for the first time, take connections over TLS only.
    #[must_use]
    pub fn with_tls(self, certificate: ServerCertificate) -> Self {
        Self { certificate: Some(certificate), ..self }
    }

    /// Gives the broker, where it is started for the first time, an operator's `rabbitmq.conf` and the definitions that it
    /// loads, in place of the configuration for tests; only addresses are the stack's own. Such a broker has no user yet:
    /// see [`Stack::rabbitmqctl`].
    #[must_use]
    pub fn with_broker_files(self, conf: String, definitions: String) -> Self {
        Self { broker_files: Some(OperatorsFiles { conf, definitions }), ..self }
    }

    /// The file with the addresses; it exists while the services are up.
    pub fn services_file(&self) -> PathBuf {
        self.layout.dev_dir.join("services.json")
    }

    /// Installs what the tests in PHP and Python, of the systemd units, with Prometheus and of the documentation need, where it is
    /// missing.
    pub fn install_test_tools(&self, progress: &Progress) -> Result<()> {
        let missing = [
            packages::missing_for_php(),
            packages::missing_for_python(),
            packages::missing_for_operations(),
            packages::missing_for_docs(),
        ]
        .concat();
        packages::install(&missing, &self.layout.dev_dir.join("apt-tests.log"), progress)
    }

    /// Installs what is missing, starts all that doesn't run, and returns when everything answers.
    ///
    /// Services named in the environment are left alone. What runs already is found again, also after an interruption.
    pub fn up(&self, progress: &Progress) -> Result<Services> {
        let external = self.external()?;
        let _lock = self.lock(progress)?;
        let services = self.start_all(&external.private(), progress)?;
        let services = external.overlay(services);
        write_private(&self.services_file(), None, 0o600, &serde_json::to_string_pretty(&services)?)?;
        Ok(services)
    }

    /// Like [`Stack::up`], for some services only: whatever the environment says, and without writing the file.
    ///
    /// The addresses of the others are those that they would have.
    pub fn up_some(&self, wanted: &[Service], progress: &Progress) -> Result<Services> {
        let _lock = self.lock(progress)?;
        self.start_all(wanted, progress)
    }

    /// Installs and starts; the caller holds the lock.
    fn start_all(&self, wanted: &[Service], progress: &Progress) -> Result<Services> {
        let settings = Settings::load_or_make(&self.layout)?;
        packages::install(&packages::missing(wanted), &self.layout.dev_dir.join("apt.log"), progress)?;
        progress.check_interrupted()?;
        let results: Vec<Result<()>> = thread::scope(|scope| {
            let start = |service: &Service| {
                let (service, settings) = (*service, &settings);
                scope.spawn(move || self.start(service, settings, progress))
            };
            let threads: Vec<_> = wanted.iter().map(start).collect();
            let join = |thread: thread::ScopedJoinHandle<'_, Result<()>>| {
                thread.join().unwrap_or_else(|_| Err(anyhow!("a start panicked")))
            };
            threads.into_iter().map(join).collect()
        });
        let failures: Vec<String> =
            results.into_iter().filter_map(Result::err).map(|error| format!("{error:#}")).collect();
        if failures.is_empty() { Ok(self.addresses(&settings)) } else { Err(anyhow!(failures.join("\n"))) }
    }

    /// The services that the environment gives and that are not this stack's own.
    fn external(&self) -> Result<External> {
        let external = External::from_env(|name| env::var(name).ok())?;
        Ok(match Settings::load(&self.layout)? {
            Some(settings) => external.others_than(&self.addresses(&settings)),
            None => external,
        })
    }

    /// The identity of the private Ceph cluster, where there is one: another one holds none of the old one's objects.
    pub fn ceph_id(&self) -> Option<String> {
        fs::read_to_string(self.layout.data_dir.join("ceph/fsid")).ok()
    }

    /// Stops what this stack has started, and nothing else. The data stay.
    pub fn down(&self, progress: &Progress) -> Result<()> {
        self.down_some(&Service::ALL, progress)
    }

    /// [`Stack::down`] for some services only.
    pub fn down_some(&self, unwanted: &[Service], progress: &Progress) -> Result<()> {
        if unwanted.is_empty() {
            return Ok(());
        }
        let _lock = self.lock(progress)?;
        let file = self.services_file();
        if file.exists() {
            fs::remove_file(&file).with_context(|| format!("removing {}", file.display()))?;
        }
        thread::scope(|scope| {
            let stop = |service: &Service| {
                let service = *service;
                scope.spawn(move || self.stop(service, progress))
            };
            let threads: Vec<_> = unwanted.iter().map(stop).collect();
            threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a stop panicked"))?)
        })
    }

    /// Kills a private service (SIGKILL), as a crash of the machine would, and waits for its end; false where it
    /// doesn't run.
    pub fn kill(&self, service: Service) -> Result<bool> {
        let Some(pid) = self.pid(service) else { return Ok(false) };
        process::stop(Pid::from_raw(pid), Signal::SIGKILL, &service.to_string(), &Progress::silent())
    }

    /// Runs `rabbitmqctl` on the private broker, such as `["set_disk_free_limit", "1TB"]`.
    pub fn rabbitmqctl(&self, arguments: &[&str]) -> Result<()> {
        let settings = Settings::load(&self.layout)?.context("there is no private broker")?;
        Broker::new(&self.layout).control(&settings, arguments)
    }

    /// Where Prometheus reads the private broker's metrics: `127.0.0.1:15692`.
    pub fn rabbitmq_metrics_address(&self) -> Result<String> {
        let settings = Settings::load(&self.layout)?.context("there is no private broker")?;
        Ok(format!("127.0.0.1:{}", settings.rabbitmq_metrics_port()))
    }

    /// Stops everything and deletes the data, the ports and the passwords: the next start makes all of them anew.
    pub fn delete(&self, progress: &Progress) -> Result<()> {
        self.down(progress)?;
        let _lock = self.lock(progress)?;
        for name in ["rabbitmq", "postgres", "ceph"] {
            let dir = self.layout.data_dir.join(name);
            if dir.exists() {
                fs::remove_dir_all(&dir).with_context(|| format!("removing {}", dir.display()))?;
            }
        }
        let settings = self.layout.dev_dir.join("settings.json");
        if settings.exists() {
            fs::remove_file(&settings).with_context(|| format!("removing {}", settings.display()))?;
        }
        if self.layout.data_dir != self.layout.dev_dir {
            fs::remove_dir(&self.layout.data_dir).context("removing the data's folder")?;
        }
        Ok(())
    }

    /// What each service does at the moment.
    pub fn status(&self) -> Result<Vec<(Service, Status)>> {
        let private = self.external()?.private();
        let status = |service| match self.pid(service) {
            _ if !private.contains(&service) => Status::External,
            Some(pid) => Status::Running { pid },
            None => Status::Stopped,
        };
        Ok(Service::ALL.map(|service| (service, status(service))).into())
    }

    fn start(&self, service: Service, settings: &Settings, progress: &Progress) -> Result<()> {
        let started = Instant::now();
        match service {
            Service::RabbitMq => Broker::new(&self.layout).with_files(self.broker_files.clone()).start(
                settings,
                self.certificate.as_ref(),
                progress,
            ),
            Service::Postgres => Cluster::new(&self.layout).start(settings, self.certificate.as_ref(), progress),
            Service::Ceph => Ceph::new(&self.layout).start(settings, progress),
        }
        .with_context(|| format!("starting {service}"))?;
        progress.report(&format!("{service} ready in {:.1} s", started.elapsed().as_secs_f64()));
        Ok(())
    }

    fn stop(&self, service: Service, progress: &Progress) -> Result<()> {
        if self.pid(service).is_some() {
            progress.report(&format!("stopping {service}"));
        }
        match service {
            Service::RabbitMq => Broker::new(&self.layout).stop(progress),
            Service::Postgres => Cluster::new(&self.layout).stop(progress),
            Service::Ceph => Ceph::new(&self.layout).stop(progress),
        }
    }

    fn pid(&self, service: Service) -> Option<i32> {
        let pid = match service {
            Service::RabbitMq => Broker::new(&self.layout).broker(),
            Service::Postgres => Cluster::new(&self.layout).server(),
            Service::Ceph => Ceph::new(&self.layout).gateway(),
        };
        pid.map(Pid::as_raw)
    }

    fn addresses(&self, settings: &Settings) -> Services {
        Services {
            amqp_host: "127.0.0.1".to_owned(),
            amqp_port: settings.amqp_port(),
            rabbitmq_admin_user: rabbitmq::ADMIN.to_owned(),
            rabbitmq_admin_password: settings.rabbitmq_password.clone(),
            rabbitmq_api_url: format!("http://127.0.0.1:{}", settings.rabbitmq_api_port()),
            postgres_superuser_url: Cluster::tcp_url(settings),
            postgres_socket_url: Cluster::new(&self.layout).socket_url(settings),
            rgw_url: format!("http://127.0.0.1:{}", settings.rgw_port()),
            rgw_access_key: settings.rgw_access_key.clone(),
            rgw_secret_key: settings.rgw_secret_key.clone(),
            amqp_address_of_rgw: None,
            tls_ca_file: None,
        }
    }

    /// Keeps two starts or stops from running at once; released when the file is closed.
    fn lock(&self, progress: &Progress) -> Result<File> {
        let path = self.layout.dev_dir.join("lock");
        let file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
        if file.try_lock().is_err() {
            progress.report("another `cargo xtask services` is at work; waiting for it");
            let taken = || Ok(file.try_lock().is_ok());
            progress.wait_until("the other `cargo xtask services`", LOCK_LIMIT, taken)?;
        }
        Ok(file)
    }
}
