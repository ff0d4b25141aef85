//! Markdown, as far as it is run or followed: code blocks, headings, links.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders that hold no page of ours.
const LEFT_OUT: [&str; 4] = [".git", "node_modules", "target", ".sqlx"];

/// A code block.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    /// The page, relative to the workspace.
    pub(crate) page: PathBuf,
    /// The number of its first line of code.
    pub(crate) line: usize,
    /// The info string: the language, then what else is said of it.
    pub(crate) info: String,
    pub(crate) text: String,
}

impl Block {
    pub(crate) fn language(&self) -> &str {
        self.info.split_whitespace().next().unwrap_or_default()
    }

    /// Whether it can't be run here; whoever says so must say why.
    pub(crate) fn is_not_run(&self) -> bool {
        let Some((_, reason)) = self.info.split_once("no-run") else { return false };
        let reason = reason.strip_prefix(": ").unwrap_or_default();
        assert!(!reason.is_empty(), "{}: `no-run` needs a reason: `sh no-run: why`", self.place());
        true
    }

    /// What the last command of the block before prints.
    pub(crate) fn is_output(&self) -> bool {
        self.info == "text output"
    }

    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.page.display(), self.line)
    }
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("crates/purser lies in the workspace")
}

/// Every Markdown page of the repository, relative to the workspace.
pub(crate) fn all_pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).expect("a folder") {
            let name = entry.expect("an entry").file_name();
            let path = folder.join(&name);
            if root().join(&path).is_dir() {
                if !LEFT_OUT.iter().any(|left_out| name == *left_out) {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    pages
}

/// The pages whose commands are run: README.md, those in `docs/`, and the READMEs of `deploy/` and `crates/`.
pub(crate) fn pages() -> Vec<PathBuf> {
    let is_run = |page: &PathBuf| {
        let parts: Vec<_> = page.iter().map(|part| part.to_string_lossy()).collect();
        let parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
        matches!(parts[..], ["README.md"] | ["docs", _] | ["deploy" | "crates", _, "README.md"])
    };
    all_pages().into_iter().filter(is_run).collect()
}

pub(crate) fn read(page: &Path) -> String {
    fs::read_to_string(root().join(page)).unwrap_or_else(|error| panic!("{}: {error}", page.display()))
}

/// The code blocks of a page, in their order.
pub(crate) fn blocks(page: &Path) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (index, line) in read(page).lines().enumerate() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(_), Some(block)) => blocks.push(block),
            (Some(info), None) => {
                let (page, info) = (page.to_owned(), info.trim().to_owned());
                open = Some(Block { page, line: index + 2, info, text: String::new() });
            }
            (None, Some(mut block)) => {
                block.text += line;
                block.text.push('\n');
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{}: a code block has no end", page.display());
    blocks
}

/// The lines outside code blocks, with their numbers.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut is_code = false;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            lines.push((index + 1, line));
        }
    }
    lines
}

/// The anchors that GitHub makes of a page's headings.
pub(crate) fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).into_iter().filter(|(_, line)| line.starts_with('#'));
    let slug = |heading: &str| {
        let kept = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = kept.chars().filter(|character| character.is_alphanumeric() || " -_".contains(*character));
        kept.map(|character| if character == ' ' { '-' } else { character }).collect()
    };
    headings.map(|(_, line)| slug(line)).collect()
}

/// Where the links and pictures of a page lead, with the numbers of their lines.
pub(crate) fn links(text: &str) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    for (number, line) in prose(text) {
        // What stands between backticks is code.
        let outside: String = line.split('`').step_by(2).collect::<Vec<_>>().join("code");
        for (start, _) in outside.match_indices("](") {
            if let Some((target, _)) = outside[start + 2..].split_once(')') {
                links.push((number, target.to_owned()));
            }
        }
    }
    links
}
