//! What the pages say can be typed, is typed: every shell command of README.md, `docs/`, and the READMEs of `deploy/` and
//! `crates/` against a Purser of its own, and every example in PHP, Python and TOML.
//!
//! A block that can't be run in a test says why: `sh no-run: needs root`. A block `text output` is what the last command of
//! the block before it prints. `DOCS=operators` runs the pages with this in their name.

mod blocks;
mod examples;
mod ground;
mod shell;

use std::path::Path;

use runtime::config::Config;
use toml::{Table, Value};

use blocks::{Block, all_pages, anchors, links, pages, read, root};
use ground::Ground;

/// What the pages' parts of a configuration are laid over.
const CONFIGURATION: &str = r#"
[gateway]
amqp_url = "amqps://purser-gateway:x@localhost/purser"
database_url = "postgres://purser_gateway:x@localhost/purser"
[provisioner]
amqp_url = "amqps://purser-provisioner:x@localhost/purser"
database_url = "postgres://purser_provisioner:x@localhost/purser"
sealing_key_file = "sealing.key"
[metering]
amqp_url = "amqps://purser-metering:x@localhost/purser"
database_url = "postgres://purser_metering:x@localhost/purser"
[billing]
amqp_url = "amqps://purser-billing:x@localhost/purser"
database_url = "postgres://purser_billing:x@localhost/purser"
[locations.NL]
rgw_url = "http://localhost:7480"
admin_access_key = "x"
admin_secret_key = "x"
"#;

/// The blocks of a page in one language, but for those that say that they can't be run.
fn blocks_in(page: &Path, language: &str) -> Vec<Block> {
    let wanted = |block: &Block| {
        (block.language() == language || (language == "sh" && block.is_output())) && !block.is_not_run()
    };
    blocks::blocks(page).into_iter().filter(wanted).collect()
}

fn is_wanted(page: &Path) -> bool {
    std::env::var("DOCS").map_or(true, |wanted| page.to_string_lossy().contains(&wanted))
}

#[test]
fn every_link_leads_somewhere() {
    let mut broken = Vec::new();
    for page in all_pages() {
        let text = read(&page);
        for (line, target) in links(&text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) =
                target.split_once('#').map_or((target.as_str(), None), |(path, anchor)| (path, Some(anchor)));
            let file = if path.is_empty() { page.clone() } else { page.parent().expect("a folder").join(path) };
            let is_there = root().join(&file).exists();
            if !is_there || anchor.is_some_and(|anchor| !anchors(&read(&file)).contains(anchor)) {
                broken.push(format!("{}:{line}: {target}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "these links lead nowhere:\n{}", broken.join("\n"));
}

#[test]
fn every_part_of_a_configuration_is_read() {
    let mut wrong = Vec::new();
    for block in pages().iter().flat_map(|page| blocks_in(page, "toml")) {
        let mut whole: Table = CONFIGURATION.parse().expect("TOML");
        let problem = match block.text.parse::<Table>() {
            Err(error) => Some(error.to_string()),
            Ok(part) => {
                lay_over(&mut whole, part);
                let whole = toml::to_string(&whole).expect("TOML");
                Config::from_sources(&whole, std::iter::empty()).err().map(|error| error.to_string())
            }
        };
        wrong.extend(problem.map(|problem| format!("{}: {problem}", block.place())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn lay_over(whole: &mut Table, part: Table) {
    for (key, value) in part {
        match (whole.get_mut(&key), value) {
            (Some(Value::Table(whole)), Value::Table(part)) => lay_over(whole, part),
            (_, value) => drop(whole.insert(key, value)),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_and_example_works() {
    let ground = Ground::start().await;
    let mut wrong = Vec::new();
    for page in pages().into_iter().filter(|page| is_wanted(page)) {
        let commands = blocks_in(&page, "sh");
        if !commands.is_empty() {
            let folder = ground.folder();
            let environment = ground.environment(folder.path(), &commands).await;
            let run = move || shell::run(&commands, folder.path(), &environment);
            wrong.extend(tokio::task::spawn_blocking(run).await.expect("no panic"));
        }
        wrong.extend(examples::run(&ground, &page).await);
    }
    assert!(wrong.is_empty(), "{} of the pages' commands fail:\n\n{}", wrong.len(), wrong.join("\n"));
}
