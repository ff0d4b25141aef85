//! Databases in the private PostgreSQL, through the program `psql`.
//!
//! These functions block for some 30 ms each.

use std::io::Write;
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
    let mut url = Url::parse(&url(services, database)?).context("PostgreSQL's address is not a URL")?;
    let password = url.password().map(percent_decoded).unwrap_or_default();
    // A command line is visible to everybody: the password goes through the environment.
    let _ = url.set_password(None);
    let mut child = Command::new(find_program("psql")?)
        .args([
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "--set=ON_ERROR_STOP=1",
            "--dbname",
            url.as_str(),
        ])
        .env("PGPASSWORD", password)
        .env("PGCLIENTENCODING", "UTF8")
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

/// Quotes a name for SQL.
fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
