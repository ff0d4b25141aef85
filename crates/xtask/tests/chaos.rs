//! A short run of `cargo xtask chaos`.

use std::path::Path;
use std::process::Command;

#[test]
fn a_minute_of_chaos_loses_doubles_and_orphans_nothing() {
    let xtask = Path::new(env!("CARGO_BIN_EXE_xtask"));
    let purser = xtask.with_file_name("purser");
    assert!(purser.exists(), "{} is missing: build it with `cargo build -p purser`", purser.display());
    let run = Command::new(xtask)
        .args(["chaos", "--seed", "1", "--minutes", "1", "--customers", "6", "--purser"])
        .arg(purser)
        .output()
        .expect("xtask runs");
    let (said, complained) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{said}\n{complained}");
}
