//! The images that `docker-compose.yml` names: a registry's, or our own under names of their own.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};

use super::command::{exists, output, run, succeeds};
use super::engine::Engine;
use super::workspace;
use crate::services::{Progress, packages};

/// What a registry has, and what is made from Debian's packages in its place.
const OFFICIAL_BASE: &str = "debian:bookworm-slim";
const OWN_BASE: &str = "purser-test/debian:bookworm";

/// An image, with the variable by which `docker-compose.yml` takes another one in its place.
struct Source {
    variable: &'static str,
    name: &'static str,
    /// Below `deploy/docker`, without `.Dockerfile`.
    dockerfile: &'static str,
    /// Whether a registry has it, where one answers.
    is_official: bool,
}

const CEPH: Source =
    Source { variable: "PURSER_CEPH_IMAGE", name: "purser-test/ceph", dockerfile: "ceph", is_official: false };
const RABBITMQ: Source = Source {
    variable: "PURSER_RABBITMQ_IMAGE",
    name: "purser-test/rabbitmq",
    dockerfile: "debian/rabbitmq",
    is_official: true,
};
const POSTGRES: Source = Source {
    variable: "PURSER_POSTGRES_IMAGE",
    name: "purser-test/postgres",
    dockerfile: "debian/postgres",
    is_official: true,
};
const PROMETHEUS: Source = Source {
    variable: "PURSER_PROMETHEUS_IMAGE",
    name: "purser-test/prometheus",
    dockerfile: "debian/prometheus",
    is_official: true,
};
const PURSER_VARIABLE: &str = "PURSER_IMAGE";
const PURSER_NAME: &str = "purser-test/purser";

/// Names of images that exist here, or that Docker can pull.
#[derive(Debug, Clone)]
pub struct Images {
    /// RabbitMQ with its management plugin.
    pub rabbitmq: String,
    /// PostgreSQL.
    pub postgres: String,
    /// One-node Ceph with radosgw.
    pub ceph: String,
    prometheus: String,
    purser: Option<&'static str>,
}

impl Images {
    /// Makes what is not there yet.
    pub(super) fn make(engine: &Engine, dir: &Path, progress: &Progress) -> Result<Self> {
        let base = base(engine, dir, progress)?;
        let image = |source: &Source| -> Result<String> {
            if source.is_official && base == OFFICIAL_BASE {
                return default_of(source.variable);
            }
            build(engine, base, source.name, source.dockerfile, &[], &workspace(), progress)?;
            Ok(source.name.to_owned())
        };
        Ok(Self {
            ceph: image(&CEPH)?,
            rabbitmq: image(&RABBITMQ)?,
            postgres: image(&POSTGRES)?,
            prometheus: image(&PROMETHEUS)?,
            purser: None,
        })
    }

    /// Makes Purser's image as well, with this machine's own build of it.
    pub(super) fn with_purser(self, engine: &Engine, dir: &Path, binary: &Path, progress: &Progress) -> Result<Self> {
        let context = dir.join("context");
        fs::create_dir_all(&context)?;
        run(Command::new("strip").arg("-o").arg(context.join("purser")).arg(binary), "strip")?;
        let base = base(engine, dir, progress)?;
        build(engine, base, PURSER_NAME, "purser", &["--target", "runtime-prebuilt"], &context, progress)?;
        Ok(Self { purser: Some(PURSER_NAME), ..self })
    }

    /// The variables with which `docker-compose.yml` takes them.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            (CEPH.variable, self.ceph.clone()),
            (RABBITMQ.variable, self.rabbitmq.clone()),
            (POSTGRES.variable, self.postgres.clone()),
            (PROMETHEUS.variable, self.prometheus.clone()),
        ];
        variables.extend(self.purser.map(|name| (PURSER_VARIABLE, name.to_owned())));
        variables
    }
}

/// The image that `docker-compose.yml` takes where the variable isn't set.
fn default_of(variable: &str) -> Result<String> {
    let file = fs::read_to_string(workspace().join("docker-compose.yml"))?;
    let default = file.split_once(&format!("${{{variable}:-")).and_then(|(_, rest)| rest.split_once('}'));
    let (name, _) = default.with_context(|| format!("docker-compose.yml gives {variable} no default"))?;
    Ok(name.to_owned())
}

/// Debian: the registry's, or one that is made of packages, with this machine's mirrors.
fn base(engine: &Engine, dir: &Path, progress: &Progress) -> Result<&'static str> {
    if succeeds(engine.docker(&["image", "inspect", OWN_BASE])) {
        return Ok(OWN_BASE);
    }
    if succeeds(engine.docker(&["image", "inspect", OFFICIAL_BASE]))
        || succeeds(engine.docker(&["pull", OFFICIAL_BASE]))
    {
        return Ok(OFFICIAL_BASE);
    }
    progress.report("no registry answers: making Debian's image from packages");
    if !exists("mmdebstrap") {
        packages::install(&["mmdebstrap"], &dir.join("packages.log"), progress)?;
    }
    let archive = dir.join("base.tar");
    let mut mmdebstrap = Command::new("mmdebstrap");
    mmdebstrap.args(["--variant=minbase", "--include=ca-certificates"]);
    mmdebstrap.arg("--customize-hook=copy-in /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs");
    mmdebstrap.arg("bookworm").arg(&archive);
    let mirrors = ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"];
    mmdebstrap.args(mirrors.iter().find(|file| fs::read(file).is_ok_and(|lines| !lines.is_empty())));
    run(&mut mmdebstrap, "mmdebstrap")?;
    run(engine.docker(&["import"]).arg(&archive).arg(OWN_BASE), "docker import")?;
    fs::remove_file(archive)?;
    Ok(OWN_BASE)
}

fn build(
    engine: &Engine,
    base: &str,
    tag: &str,
    dockerfile: &str,
    options: &[&str],
    context: &Path,
    progress: &Progress,
) -> Result<()> {
    let started = Instant::now();
    let base = format!("DEBIAN_IMAGE={base}");
    let mut command = engine.docker(&["build", "--network=host", "--build-arg", &base, "--tag", tag]);
    command.args(options).arg("--file");
    command.arg(workspace().join(format!("deploy/docker/{dockerfile}.Dockerfile"))).arg(context);
    run(&mut command, &format!("building the image {tag}"))?;
    let bytes =
        output(&mut engine.docker(&["image", "inspect", "--format", "{{.Size}}", tag]), "docker image inspect")?;
    let megabytes = bytes.parse::<u64>()? / 1_000_000;
    progress.report(&format!("image {tag}: {megabytes} MB, in {:.1} s", started.elapsed().as_secs_f64()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_official_images_are_those_of_the_compose_file() {
        for (source, start) in [(RABBITMQ, "rabbitmq:"), (POSTGRES, "postgres:"), (PROMETHEUS, "prom/prometheus:")] {
            let name = default_of(source.variable).expect("a default");
            assert!(name.starts_with(start), "{name}");
        }
        assert!(default_of("PURSER_NO_IMAGE").is_err());
    }
}
