//! The systemd units are sound, hardened, and start what there is.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as loudly as the test itself")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// In tenths, as `--threshold` takes it: an exposure of 3.0.
const EXPOSURE_MAX: &str = "--threshold=30";
const SERVICES: [&str; 5] = [
    "purser@gateway.service",
    "purser@provisioner.service",
    "purser@metering.service",
    "purser@billing.service",
    "purser-migrate.service",
];

fn units() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/systemd")
}

/// Runs `systemd-analyze`, which needs no systemd that runs.
fn analyze(arguments: &[&str], dir: &Path) -> Output {
    Command::new("systemd-analyze")
        .args(arguments)
        .current_dir(dir)
        .env("SYSTEMD_UNIT_PATH", format!("{}:", dir.display()))
        .output()
        .expect("systemd-analyze runs: Debian has it in the package systemd, which `cargo xtask test` installs")
}

/// The units with a program that exists on this machine.
fn installed() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(units()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "service" || extension == "target") {
            let text = fs::read_to_string(&path).unwrap().replace("/usr/bin/purser", "/bin/true");
            fs::write(dir.path().join(path.file_name().unwrap()), text).unwrap();
        }
    }
    dir
}

#[test]
fn systemd_finds_no_fault_with_the_units() {
    let dir = installed();
    for unit in SERVICES.into_iter().chain(["purser.target"]) {
        let output = analyze(&["verify", "--man=no", unit], dir.path());
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !told.contains("purser"), "{unit}: {told}");
    }
}

#[test]
fn each_service_is_hardened() {
    for unit in ["purser@.service", "purser-migrate.service"] {
        let path = units().join(unit);
        let output = analyze(&["security", "--offline=true", EXPOSURE_MAX, path.to_str().unwrap()], &units());
        assert!(output.status.success(), "{unit}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn a_unit_that_is_open_would_be_found() {
    let dir = installed();
    let text = "[Service]\nExecStart=/bin/true\n";
    fs::write(dir.path().join("open.service"), text).unwrap();
    let output = analyze(&["security", "--offline=true", EXPOSURE_MAX, "./open.service"], dir.path());
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
