//! The Debian packages that the private services need: which are missing, and their installation.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use nix::unistd::Uid;

use super::Service;
use super::process::log_tail;
use super::progress::Progress;

/// Where the programs may be besides `PATH`, which often lacks the `sbin` folders for ordinary users.
const PROGRAM_DIRS: [&str; 5] = ["/usr/lib/rabbitmq/bin", "/usr/local/bin", "/usr/bin", "/usr/sbin", "/sbin"];

/// Installs packages while `policy-rc.d` forbids their services to start, and puts back what was there before.
const INSTALL_SCRIPT: &str = r#"
set -eu
guard=/usr/sbin/policy-rc.d
saved=$guard.before-purser
cluster_conf=/etc/postgresql-common/createcluster.d/purser.conf
made_dir=
restore() {
    if [ -e "$saved" ]; then mv -f "$saved" "$guard"; else rm -f "$guard"; fi
    rm -f "$cluster_conf"
    if [ -n "$made_dir" ]; then rmdir "$made_dir" 2>/dev/null || true; fi
}
if [ -e "$guard" ] && ! grep -q purser "$guard"; then mv -f "$guard" "$saved"; fi
trap restore EXIT
trap 'exit 130' HUP INT TERM
printf '#!/bin/sh\n# purser: no service starts while its packages are being installed.\nexit 101\n' >"$guard"
chmod 755 "$guard"
if [ ! -d "${cluster_conf%/*}" ]; then made_dir=${cluster_conf%/*}; mkdir -p "$made_dir"; fi
printf 'create_main_cluster = false\n' >"$cluster_conf"
export DEBIAN_FRONTEND=noninteractive
apt-get -o DPkg::Lock::Timeout=300 update
apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@"
"#;

/// The programs that a service needs, each with the Debian package that holds it.
fn programs(service: Service) -> &'static [(&'static str, &'static str)] {
    match service {
        Service::RabbitMq => {
            &[("/usr/lib/rabbitmq/bin/rabbitmq-server", "rabbitmq-server"), ("epmd", "rabbitmq-server")]
        }
        Service::Postgres => &[
            ("initdb", "postgresql"),
            ("postgres", "postgresql"),
            ("pg_ctl", "postgresql"),
            ("pg_isready", "postgresql"),
            ("psql", "postgresql"),
        ],
        Service::Ceph => &[
            ("ceph-mon", "ceph-mon"),
            ("monmaptool", "ceph-common"),
            ("ceph-osd", "ceph-osd"),
            ("radosgw", "radosgw"),
            ("ceph", "ceph-common"),
            ("radosgw-admin", "radosgw"),
        ],
    }
}

/// PHP with what the tests of `deploy/php` use, each file with the Debian package that holds it.
const PHP: [(&str, &str); 5] = [
    ("php8.2", "php8.2-cli"),
    ("/usr/share/php/PhpAmqpLib/autoload.php", "php-amqplib"),
    ("/usr/lib/php/20220829/msgpack.so", "php-msgpack"),
    ("/usr/lib/php/20220829/curl.so", "php-curl"),
    ("/usr/lib/php/20220829/mbstring.so", "php-mbstring"),
];

/// The Debian packages that PHP's tests need and this machine lacks.
pub fn missing_for_php() -> Vec<&'static str> {
    PHP.iter().filter(|(file, _)| find_program(file).is_err()).map(|(_, package)| *package).collect()
}

/// The Debian packages that the tests with a foreign client in Python need and this machine lacks.
///
/// Asked of Python itself: whoever has one that isn't Debian's needs none of these.
pub fn missing_for_python() -> Vec<&'static str> {
    let python = Command::new("python3")
        .args(["-c", "import ensurepip, venv"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if python.is_ok_and(|status| status.success()) { Vec::new() } else { vec!["python3", "python3-venv"] }
}

/// The Debian packages that the tests of the systemd units and with Prometheus need and this machine lacks; no service of
/// theirs need run.
pub fn missing_for_operations() -> Vec<&'static str> {
    let (units, rules) = (("systemd-analyze", "systemd"), ("promtool", "prometheus"));
    [units, rules].iter().filter(|(program, _)| find_program(program).is_err()).map(|(_, package)| *package).collect()
}

/// The Debian packages that the commands of the documentation use and this machine lacks.
pub fn missing_for_docs() -> Vec<&'static str> {
    ["curl", "jq", "openssl"].into_iter().filter(|program| find_program(program).is_err()).collect()
}

/// The Debian packages that the benchmark's client in Node.js needs and this machine lacks.
pub fn missing_for_node() -> Vec<&'static str> {
    let (node, npm) = (("node", "nodejs"), ("npm", "npm"));
    [node, npm].iter().filter(|(program, _)| find_program(program).is_err()).map(|(_, package)| *package).collect()
}

/// The Debian packages that `services` need and this machine lacks, judged by their programs.
pub fn missing(services: &[Service]) -> Vec<&'static str> {
    let wanted = services.iter().flat_map(|service| programs(*service));
    let packages: BTreeSet<_> =
        wanted.filter(|(program, _)| find_program(program).is_err()).map(|(_, package)| *package).collect();
    packages.into_iter().collect()
}

/// Installs `packages` as root or through `sudo -n`; apt's output goes to `log`.
///
/// Fails with the command to type where neither works, and with the end of apt's output where apt fails.
pub fn install(packages: &[&str], log: &Path, progress: &Progress) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let by_hand = format!("apt-get update && apt-get install -y --no-install-recommends {}", packages.join(" "));
    if find_program("apt-get").is_err() {
        bail!("programs are missing that Debian has in the packages {}; install them", packages.join(", "));
    }
    let mut command = if Uid::effective().is_root() {
        Command::new("sh")
    } else if sudo_works() {
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", "sh"]);
        sudo
    } else {
        bail!("packages are missing: {}. Type as root:\n  {by_hand}", packages.join(", "));
    };
    progress.report(&format!("installing {}", packages.join(" ")));
    let output = File::create(log).with_context(|| format!("creating {}", log.display()))?;
    // A process group of its own: Ctrl-C must not leave dpkg half-way.
    let status = command
        .args(["-c", INSTALL_SCRIPT, "purser-install"])
        .args(packages)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .process_group(0)
        .status()
        .context("running the package installation")?;
    if !status.success() {
        bail!("installing failed ({status}). Type as root:\n  {by_hand}\n{}", log_tail(log));
    }
    Ok(())
}

fn sudo_works() -> bool {
    let sudo = Command::new("sudo")
        .args(["-n", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    sudo.is_ok_and(|status| status.success())
}

/// The path of `program`: PostgreSQL's own folders (newest first), `PATH`, then the usual system folders.
pub(crate) fn find_program(program: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = postgres_dirs().into_iter().chain(std::env::split_paths(&path));
    let mut candidates = folders.chain(PROGRAM_DIRS.iter().map(PathBuf::from)).map(|folder| folder.join(program));
    candidates.find(|candidate| candidate.is_file()).with_context(|| {
        format!("the program {program} is not installed; `cargo xtask services up` says which package has it")
    })
}

fn postgres_dirs() -> Vec<PathBuf> {
    let Ok(versions) = fs::read_dir("/usr/lib/postgresql") else { return Vec::new() };
    let mut versions: Vec<(u32, PathBuf)> = versions
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions.into_iter().map(|(_, path)| path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_by_name_and_by_path() {
        assert!(find_program("sh").is_ok());
        assert!(find_program("/bin/sh").is_ok());
        assert!(find_program("no-such-program").unwrap_err().to_string().contains("no-such-program"));
    }

    #[test]
    fn nothing_to_install_needs_no_root() {
        install(&[], Path::new("/nonexistent/log"), &Progress::silent()).expect("nothing to do");
    }
}
