//! Databases in the private PostgreSQL, through its own programs.
//!
//! These functions block, for some 30 ms each where they don't copy a database.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use url::Url;

use crate::services::Services;
use crate::services::external::percent_decoded;
use crate::services::packages::find_program;

/// Makes an empty database that the superuser owns; fails where it exists.
pub fn create(services: &Services, name: &str) -> Result<()> {
    psql(services, "postgres", &format!("CREATE DATABASE {}", identifier(name))).map(std::mem::drop)
}

/// Drops a database; connections to it are cut. Nothing where it doesn't exist.
pub fn drop(services: &Services, name: &str) -> Result<()> {
    let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", identifier(name));
    psql(services, "postgres", &sql).map(std::mem::drop)
}

/// The superuser's URL for another database, over the Unix socket where there is one.
pub fn url(services: &Services, database: &str) -> Result<String> {
    let mut url = Url::parse(&services.postgres_socket_url).context("PostgreSQL's address is not a URL")?;
    url.set_path(database);
    Ok(url.into())
}

/// Runs `sql` (one statement or several, each in a transaction of its own) as the superuser.
///
/// Returns the rows, one a line, with `|` between the columns. Stops at the first error and returns it.
pub fn psql(services: &Services, database: &str, sql: &str) -> Result<String> {
    let mut child = tool(services, database, "psql")?
        .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("running psql")?;
    let mut stdin = child.stdin.take().context("psql's input is a pipe")?;
    let text = sql.to_owned();
    // psql may answer before it has read everything: writing and reading at once avoids a standstill.
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().context("running psql")?;
    // Where psql stopped at an error it has not read the rest: its status tells.
    let _ = writer.join();
    if !output.status.success() {
        bail!("psql: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// Writes a database into a file, from which [`restore`] makes it again.
pub fn back_up(services: &Services, database: &str, file: &Path) -> Result<()> {
    let mut command = tool(services, database, "pg_dump")?;
    run("pg_dump", command.args(["--format=custom", "--file"]).arg(file))
}

/// Fills an empty database from a file of [`back_up`]; the grants on the database itself are no part of it.
pub fn restore(services: &Services, database: &str, file: &Path) -> Result<()> {
    let mut command = tool(services, database, "pg_restore")?;
    run("pg_restore", command.arg("--exit-on-error").arg(file))
}

fn run(program: &str, command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("running {program}"))?;
    if !output.status.success() {
        bail!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// One of PostgreSQL's programs, as the superuser of a database.
fn tool(services: &Services, database: &str, program: &str) -> Result<Command> {
    let mut url = Url::parse(&url(services, database)?).context("PostgreSQL's address is not a URL")?;
    let password = url.password().map(percent_decoded).unwrap_or_default();
    // A command line is visible to everybody: the password goes through the environment.
    let _ = url.set_password(None);
    let mut command = Command::new(find_program(program)?);
    command.args(["--dbname", url.as_str()]).env("PGPASSWORD", password).env("PGCLIENTENCODING", "UTF8");
    Ok(command)
}

/// Quotes a name for SQL.
fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
