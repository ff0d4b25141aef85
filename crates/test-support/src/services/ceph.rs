//! A private Ceph: one monitor, one OSD that keeps everything in memory, and radosgw.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use uuid::Uuid;

use super::ceph_config;
use super::packages::find_program;
use super::process::{self, http_status, isolated, make_dir, run, running, wait_for, write_private};
use super::progress::Progress;
use super::settings::{Layout, Settings};

const START_LIMIT: Duration = Duration::from_secs(90);
const ADMIN_CAPS: &str = "--caps=users=*;buckets=*;metadata=*;usage=*;zone=*";

/// In the order in which they start; the names are those of their pid files.
const DAEMONS: [&str; 3] = ["mon", "osd", "client"];

/// Where one cluster's files are.
pub(super) struct Ceph {
    dir: PathBuf,
}

impl Ceph {
    pub(super) fn new(layout: &Layout) -> Self {
        Self { dir: layout.data_dir.join("ceph") }
    }

    /// Starts what doesn't run yet and waits until radosgw answers.
    pub(super) fn start(&self, settings: &Settings, progress: &Progress) -> Result<()> {
        if self.gateway().is_some() && answers(settings) {
            return Ok(());
        }
        if self.objects_are_lost() {
            progress.report("Ceph: the OSD was killed and its memory is gone; making a new cluster");
            // Without the OSD the others wouldn't end in an orderly way, and nothing of theirs is kept.
            for pid in DAEMONS.iter().filter_map(|daemon| self.daemon(daemon)) {
                process::stop(pid, Signal::SIGKILL, "Ceph", progress)?;
            }
            fs::remove_dir_all(&self.dir).with_context(|| format!("removing {}", self.dir.display()))?;
        }
        for name in ["", "run", "log", "mon", "osd", "crash"] {
            make_dir(&self.dir.join(name), None, 0o755)?;
        }
        self.start_daemons(settings, progress)
    }

    /// Stops the daemons in the reverse order.
    pub(super) fn stop(&self, progress: &Progress) -> Result<()> {
        for daemon in DAEMONS.iter().rev() {
            let Some(pid) = self.daemon(daemon) else { continue };
            let by_itself = process::stop(pid, Signal::SIGTERM, &format!("Ceph's {daemon}"), progress)?;
            if *daemon == "osd" && by_itself {
                fs::write(self.dir.join("osd-clean"), "")?;
            }
        }
        Ok(())
    }

    /// The process id of radosgw, where the whole cluster runs.
    pub(super) fn gateway(&self) -> Option<Pid> {
        self.daemon("mon").and(self.daemon("osd")).and(self.daemon("client"))
    }

    fn start_daemons(&self, settings: &Settings, progress: &Progress) -> Result<()> {
        let fsid = self.kept_uuid("fsid")?;
        if !self.config().exists() {
            write_private(&self.config(), None, 0o644, &ceph_config::render(&self.dir, &fsid, settings))?;
        }
        self.start_monitor(&fsid, settings, progress)?;
        self.start_osd(progress)?;
        self.make_admin(settings)?;
        if self.daemon("client").is_none() {
            run(self.command("radosgw", "rgw.out", &["-n", "client.rgw"])?, "radosgw", &self.log("rgw.out"))?;
        }
        let ready = || Ok(self.daemon("client").is_some() && answers(settings));
        wait_for(progress, "radosgw", START_LIMIT, &self.log("client.log"), ready)
    }

    fn start_monitor(&self, fsid: &str, settings: &Settings, progress: &Progress) -> Result<()> {
        let log = self.log("mon.out");
        if !self.dir.join("mon/ready").exists() {
            make_empty(&self.dir.join("mon"))?;
            let map = self.dir.join("monmap");
            let address = format!("v2:127.0.0.1:{}", settings.ceph_mon_port());
            let mut monmaptool = isolated(&find_program("monmaptool")?, None, &self.dir, &log)?;
            monmaptool.args(["--create", "--clobber", "--fsid", fsid, "--addv", "a", &address]).arg(&map);
            run(monmaptool, "monmaptool", &log)?;
            let mut mkfs = self.command("ceph-mon", "mon.out", &["-i", "a", "--mkfs", "--keyring", "/dev/null"])?;
            mkfs.arg("--monmap").arg(&map);
            run(mkfs, "making Ceph's monitor", &log)?;
            fs::write(self.dir.join("mon/ready"), "")?;
        }
        if self.daemon("mon").is_none() {
            run(self.command("ceph-mon", "mon.out", &["-i", "a"])?, "Ceph's monitor", &log)?;
        }
        let up = || Ok(self.ask(&["mon", "stat"])?.is_some());
        wait_for(progress, "Ceph's monitor", START_LIMIT, &self.log("mon.log"), up)
    }

    fn start_osd(&self, progress: &Progress) -> Result<()> {
        let log = self.log("osd.out");
        if !self.osd_ready().exists() {
            make_empty(&self.dir.join("osd"))?;
            let uuid = self.kept_uuid("osd.uuid")?;
            run(self.ceph(&["osd", "new", &uuid, "0"])?, "registering Ceph's OSD", &log)?;
            let mkfs = self.command("ceph-osd", "osd.out", &["-i", "0", "--mkfs", "--osd-uuid", &uuid])?;
            run(mkfs, "making Ceph's OSD", &log)?;
            fs::write(self.osd_ready(), "")?;
            fs::write(self.dir.join("osd-clean"), "")?;
        }
        if self.daemon("osd").is_none() {
            let _ = fs::remove_file(self.dir.join("osd-clean"));
            run(self.command("ceph-osd", "osd.out", &["-i", "0"])?, "Ceph's OSD", &log)?;
        }
        let up = || Ok(self.ask(&["osd", "stat"])?.is_some_and(|stat| stat.contains(" 1 up")));
        wait_for(progress, "Ceph's OSD", START_LIMIT, &self.log("osd.log"), up)
    }

    /// Makes the user with which we administer radosgw.
    fn make_admin(&self, settings: &Settings) -> Result<()> {
        let made = self.dir.join("admin-made");
        if made.exists() {
            return Ok(());
        }
        let mut create = self.command("radosgw-admin", "admin.out", &["user", "create", "--uid=admin"])?;
        create
            .args(["--display-name=Admin", ADMIN_CAPS])
            .arg(format!("--access-key={}", settings.rgw_access_key))
            .arg(format!("--secret-key={}", settings.rgw_secret_key))
            // The answer shows the secret key.
            .stdout(Stdio::null());
        run(create, "making radosgw's admin user", &self.log("admin.out"))?;
        Ok(fs::write(made, "")?)
    }

    /// After anything but a clean stop of the OSD nothing of its store is left, while the monitor still believes in it.
    fn objects_are_lost(&self) -> bool {
        self.osd_ready().exists() && self.daemon("osd").is_none() && !self.dir.join("osd-clean").exists()
    }

    fn daemon(&self, name: &str) -> Option<Pid> {
        running(&self.dir.join(format!("run/{name}.pid")), &self.config().to_string_lossy())
    }

    fn command(&self, program: &str, log: &str, args: &[&str]) -> Result<Command> {
        let mut command = isolated(&find_program(program)?, None, &self.dir, &self.log(log))?;
        command.arg("-c").arg(self.config()).args(args);
        Ok(command)
    }

    fn ceph(&self, args: &[&str]) -> Result<Command> {
        let mut ceph = self.command("ceph", "ceph.out", &["--connect-timeout", "20"])?;
        ceph.args(args);
        Ok(ceph)
    }

    /// What `ceph args…` prints; `None` where it fails.
    fn ask(&self, args: &[&str]) -> Result<Option<String>> {
        let output = self.ceph(args)?.stdout(Stdio::piped()).output().context("running ceph")?;
        Ok(output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned()))
    }

    /// The UUID in the file `name`, made the first time.
    fn kept_uuid(&self, name: &str) -> Result<String> {
        let path = self.dir.join(name);
        if !path.exists() {
            write_private(&path, None, 0o644, &Uuid::new_v4().to_string())?;
        }
        Ok(fs::read_to_string(path)?)
    }

    fn config(&self) -> PathBuf {
        self.dir.join("ceph.conf")
    }

    fn osd_ready(&self) -> PathBuf {
        self.dir.join("osd-ready")
    }

    fn log(&self, name: &str) -> PathBuf {
        self.dir.join("log").join(name)
    }
}

/// Empties what an interrupted start has left.
fn make_empty(dir: &Path) -> Result<()> {
    fs::remove_dir_all(dir).with_context(|| format!("removing {}", dir.display()))?;
    make_dir(dir, None, 0o755)
}

fn answers(settings: &Settings) -> bool {
    http_status(settings.rgw_port(), "/") == Some(200)
}
