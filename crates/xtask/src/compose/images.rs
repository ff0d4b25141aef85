//! The images that `docker-compose.yml` names, under names of their own.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use test_support::services::{Progress, packages};

use super::engine::{Engine, exists, output, run, succeeds};
use crate::workspace;

/// What a registry has, and what is made from Debian's packages in its place.
const OFFICIAL_BASE: &str = "debian:bookworm-slim";
const OWN_BASE: &str = "purser-test/debian:bookworm";
const PURSER: &str = "purser-test/purser";
const CEPH: &str = "purser-test/ceph";
const RABBITMQ: &str = "purser-test/rabbitmq";
const POSTGRES: &str = "purser-test/postgres";
const PROMETHEUS: &str = "purser-test/prometheus";

/// The variables with which `docker-compose.yml` takes our images.
pub(super) type Variables = Vec<(&'static str, &'static str)>;

/// Makes all images: Purser's from `binary`, the others from Debian's packages where no registry answers.
pub(super) fn make(engine: &Engine, dir: &Path, binary: &Path, progress: &Progress) -> Result<Variables> {
    let base = base(engine, dir, progress)?;
    let context = dir.join("context");
    fs::create_dir_all(&context)?;
    run(Command::new("strip").arg("-o").arg(context.join("purser")).arg(binary), "strip")?;
    build(engine, base, PURSER, "purser", &["--target", "runtime-prebuilt"], &context, progress)?;
    let root = workspace::root();
    build(engine, base, CEPH, "ceph", &[], &root, progress)?;
    let mut variables = vec![("PURSER_IMAGE", PURSER), ("PURSER_CEPH_IMAGE", CEPH)];
    if base == OWN_BASE {
        build(engine, base, RABBITMQ, "debian/rabbitmq", &[], &root, progress)?;
        build(engine, base, POSTGRES, "debian/postgres", &[], &root, progress)?;
        build(engine, base, PROMETHEUS, "debian/prometheus", &[], &root, progress)?;
        variables.extend([
            ("PURSER_RABBITMQ_IMAGE", RABBITMQ),
            ("PURSER_POSTGRES_IMAGE", POSTGRES),
            ("PURSER_PROMETHEUS_IMAGE", PROMETHEUS),
        ]);
    }
    Ok(variables)
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
    let started = std::time::Instant::now();
    let base = format!("DEBIAN_IMAGE={base}");
    let mut command = engine.docker(&["build", "--network=host", "--build-arg", &base, "--tag", tag]);
    command.args(options).arg("--file");
    command.arg(workspace::root().join(format!("deploy/docker/{dockerfile}.Dockerfile"))).arg(context);
    run(&mut command, &format!("building the image {tag}"))?;
    let bytes =
        output(&mut engine.docker(&["image", "inspect", "--format", "{{.Size}}", tag]), "docker image inspect")?;
    let megabytes = bytes.parse::<u64>()? / 1_000_000;
    progress.report(&format!("image {tag}: {megabytes} MB, in {:.1} s", started.elapsed().as_secs_f64()));
    Ok(())
}
