//! Runs the examples of a page in PHP and in Python: those of one language, in their order, as one program.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use test_support::python;

use crate::blocks::{Block, root};
use crate::blocks_in;
use crate::ground::Ground;

/// Before the first example in PHP: what a page takes for granted.
const PHP_BEGINS: &str = "<?php require_once '/usr/share/purser-php/autoload.php';
$newBucket = getenv('NEW_BUCKET');
$uuidOfTheOrder = Purser\\Uuid::v7();
";
/// After the last one: a refusal is no success.
const PHP_ENDS: &str = "
if (($reply ?? null) instanceof Purser\\Reply && $reply->isRefusal()) {
    throw new Exception($reply->refusal());
}
";
const PHP_READS_SETTINGS: &str = "<?php require '/usr/share/purser-php/autoload.php';
Purser\\Config::load('/etc/purser/shown.php', []);
";

/// Where a page's examples are run.
struct Place {
    folder: TempDir,
    environment: BTreeMap<String, String>,
}

/// Runs a page's examples; returns what failed.
pub(crate) async fn run(ground: &Ground, page: &Path) -> Vec<String> {
    let folder = ground.folder();
    let mut environment = ground.environment(folder.path(), &[]).await;
    environment.insert("NEW_BUCKET".to_owned(), ground.world.bucket_name("php"));
    let place = Place { folder, environment };
    place.write("php.php", "<?php return [];\n");
    place.write("amqp-password", "a password\n");

    let (settings, programs): (Vec<Block>, Vec<Block>) =
        blocks_in(page, "php").into_iter().partition(|block| block.text.starts_with("<?php return"));
    let mut wrong = Vec::new();
    for block in settings {
        place.write("shown.php", &block.text);
        wrong.extend(place.run(Path::new("php"), &block, PHP_READS_SETTINGS));
    }
    if let Some(first) = programs.first() {
        // A page may load the client itself, which is done once.
        let program = text_of(&programs).replace("require '", "require_once '");
        wrong.extend(place.run(Path::new("php"), first, &[PHP_BEGINS, &program, PHP_ENDS].concat()));
    }
    let programs = blocks_in(page, "python");
    if let Some(first) = programs.first() {
        let (requirements, dir) = (root().join("tests/docs/requirements.txt"), root().join("target/docs-python"));
        let interpreter = python::with(&requirements, &dir).expect("Python with what the examples import");
        wrong.extend(place.run(&interpreter, first, &text_of(&programs)));
    }
    wrong
}

fn text_of(blocks: &[Block]) -> String {
    blocks.iter().map(|block| block.text.as_str()).collect()
}

impl Place {
    /// Writes a file with the paths of an installation turned into those of the repository and of this place.
    fn write(&self, name: &str, text: &str) {
        let php = root().join("deploy/php");
        let text = text.replace("/usr/share/purser-php", &php.to_string_lossy());
        let text = text.replace("/etc/purser", &self.folder.path().to_string_lossy());
        fs::write(self.folder.path().join(name), text).expect("a file");
    }

    /// Runs a program to its end; what it says, where that is no success.
    fn run(&self, interpreter: &Path, first: &Block, program: &str) -> Option<String> {
        self.write("program", program);
        let mut command = Command::new(interpreter);
        let command = command.arg("program").current_dir(self.folder.path()).envs(&self.environment);
        let output = command.output().unwrap_or_else(|error| panic!("{}: {error}", interpreter.display()));
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        let failed = !output.status.success();
        failed.then(|| format!("{}: the {} that begins here fails:\n{said}", first.place(), first.language()))
    }
}
