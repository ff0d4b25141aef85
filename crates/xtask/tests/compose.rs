//! `docker-compose.yml` as a new user runs it, by `cargo xtask compose`.

use std::path::Path;
use std::process::Command;

#[test]
fn compose_up_wait_gives_a_purser_that_does_its_job_and_keeps_it() {
    let xtask = Path::new(env!("CARGO_BIN_EXE_xtask"));
    let purser = xtask.with_file_name("purser");
    assert!(purser.exists(), "{} is missing: build it with `cargo build -p purser`", purser.display());
    let run = Command::new(xtask).args(["compose", "--skip-without-docker", "--purser"]).arg(purser).output();
    let run = run.expect("xtask runs");
    let (said, complained) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{said}\n{complained}");
    if let Some(why) = said.lines().find(|line| line.starts_with("SKIPPED")) {
        use std::io::Write as _;
        // Past the test harness, which keeps what a test that passes prints.
        let _ = writeln!(std::io::stderr(), "docker-compose.yml was NOT tested: {why}");
        return;
    }
    assert!(said.contains("all 37 checks passed"), "{said}\n{complained}");
}
