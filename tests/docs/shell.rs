//! Runs the shell commands of a page, one after the other, in one bash.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::blocks::Block;

/// A page's commands take seconds; whoever waits for something that never comes is stopped.
const PAGE_LIMIT: Duration = Duration::from_mins(4);
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Before a command's output, and before its exit code.
const BEGINS: &str = "@@ begins";
const ENDS: &str = "@@ ends";
/// Of a command that fails.
const OUTPUT_BYTES_SHOWN: usize = 4000;
/// What a refusal looks like; curl calls it a success.
const REFUSAL: &str = "\"code\":-1";

/// One command.
struct Step {
    line: usize,
    text: String,
    /// What it must print, where the page shows it.
    output: Option<Block>,
}

/// A complete command as bash sees it: a loop, a here document, lines that go on.
fn is_complete(text: &str) -> bool {
    if text.trim_end_matches('\n').ends_with('\\') {
        return false;
    }
    let checked = Command::new("bash").args(["-n", "-c", text]).output().expect("bash runs");
    checked.status.success() && checked.stderr.is_empty()
}

/// The commands of a block.
fn steps(block: &Block) -> Vec<Step> {
    let (mut steps, mut text, mut first) = (Vec::new(), String::new(), block.line);
    for (index, line) in block.text.lines().enumerate() {
        if text.is_empty() {
            first = block.line + index;
        }
        text += line;
        text.push('\n');
        if is_complete(&text) {
            if !text.trim().is_empty() {
                steps.push(Step { line: first, text: text.clone(), output: None });
            }
            text.clear();
        }
    }
    assert!(text.is_empty(), "{}: this is no complete command:\n{text}", block.place());
    steps
}

/// The commands of a page, each with what it must print.
fn steps_of(blocks: &[Block]) -> Vec<Step> {
    let mut steps_of_page: Vec<Step> = Vec::new();
    for block in blocks {
        match steps_of_page.last_mut() {
            Some(step) if block.is_output() => step.output = Some(block.clone()),
            _ => steps_of_page.extend(steps(block)),
        }
    }
    steps_of_page
}

/// Runs the blocks of a page in `dir`, where everything that they write stays; returns what was not as it should be.
pub(crate) fn run(blocks: &[Block], dir: &Path, environment: &BTreeMap<String, String>) -> Vec<String> {
    let Some(page) = blocks.first().map(|block| block.page.clone()) else { return Vec::new() };
    let steps = steps_of(blocks);
    let mut script = "set -o pipefail\n".to_owned();
    for (index, Step { text, .. }) in steps.iter().enumerate() {
        writeln!(script, "printf '\\n{BEGINS} {index}\\n'\n{text}printf '\\n{ENDS} %s\\n' $?").expect("a text");
    }
    let (script_file, log_file) = (dir.join("commands.bash"), dir.join("commands.log"));
    fs::write(&script_file, script).expect("a script");
    let log = File::create(&log_file).expect("a log");
    let mut bash = Command::new("bash")
        .arg(&script_file)
        .current_dir(dir)
        .envs(environment)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("another handle"))
        .stderr(log)
        .spawn()
        .expect("bash runs");
    let started = std::time::Instant::now();
    while bash.try_wait().expect("its state").is_none() && started.elapsed() < PAGE_LIMIT {
        std::thread::sleep(POLL_INTERVAL);
    }
    let is_late = bash.try_wait().expect("its state").is_none();
    if is_late {
        bash.kill().and_then(|()| bash.wait()).expect("bash can be killed");
    }
    let said = String::from_utf8_lossy(&fs::read(&log_file).expect("a log")).into_owned();
    steps
        .iter()
        .enumerate()
        .filter_map(|(index, step)| {
            let problem = judge(step, said_by(&said, index))?;
            Some(format!("{}:{}\n$ {}{problem}", page.display(), step.line, step.text))
        })
        .collect()
}

/// What a command printed, and its exit code; neither where it wasn't begun, no code where it didn't end.
fn said_by(said: &str, index: usize) -> Option<(&str, Option<i32>)> {
    let (_, rest) = said.split_once(&format!("\n{BEGINS} {index}\n"))?;
    let Some((output, rest)) = rest.split_once(&format!("\n{ENDS} ")) else { return Some((rest, None)) };
    Some((output, rest.lines().next().and_then(|code| code.parse().ok())))
}

/// What is wrong with a command, if anything is.
fn judge(step: &Step, said: Option<(&str, Option<i32>)>) -> Option<String> {
    let Some((output, code)) = said else { return Some("was not run: the shell had ended\n".to_owned()) };
    let problem = match code {
        None => "did not end".to_owned(),
        Some(1) if shows_others_only(step, output) => return None,
        Some(0) if output.replace("\": ", "\":").contains(REFUSAL) => "was refused".to_owned(),
        Some(0) => {
            let expected = step.output.as_ref()?;
            if lines(output) == lines(&expected.text) {
                return None;
            }
            format!("is not what line {} shows", expected.line)
        }
        Some(code) => format!("exit code {code}"),
    };
    let start = output.len().saturating_sub(OUTPUT_BYTES_SHOWN);
    let start = (start..output.len()).find(|start| output.is_char_boundary(*start)).unwrap_or_default();
    Some(format!("{}\n{problem}\n", output[start..].trim_end()))
}

/// Whether a comparison of database and RGW has found nothing but the users of other tests, whose RGW is the same.
fn shows_others_only(step: &Step, output: &str) -> bool {
    let is_row_of_others = |line: &&str| {
        line.is_empty()
            || line.starts_with("KIND ")
            || line.starts_with("user_extra ")
            || line.contains("accounts compared")
    };
    step.text.trim_start().starts_with("purser reconcile") && lines(output).iter().all(is_row_of_others)
}

fn lines(text: &str) -> Vec<&str> {
    text.trim().lines().map(str::trim_end).collect()
}
