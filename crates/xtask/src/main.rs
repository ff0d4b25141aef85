//! Developer commands: `cargo xtask <command>`.

mod bench;
mod chaos;
mod compose;
mod definitions;
mod demo;
mod dev;
mod down;
mod flood;
mod overload;
mod schemas;
mod services;
mod sqlx;
mod test;
mod up;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Purser's developer commands")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run everything and watch Purser do its job
    Demo(demo::Arguments),
    /// Run everything in the background; target/dev/env then says where it is
    Up,
    /// Stop what `up` has started; the data stay
    Down,
    /// Break everything while customers work, and look for what is lost, doubled or orphaned
    Chaos(chaos::Arguments),
    /// Run all tests against real services
    Test(test::Arguments),
    /// Send random messages into live workers, which must survive them
    Flood(flood::Arguments),
    /// Send twice as many requests as can be answered
    Overload(overload::Arguments),
    /// `docker compose up --wait`, the main job from outside, and down again
    Compose(compose::Arguments),
    /// Measure Purser beside the least that the same job can cost
    Bench(bench::Arguments),
    /// Refresh .sqlx/, from which queries are checked without a database
    Sqlx(sqlx::Arguments),
    /// Write the definitions and rabbitmq.conf in deploy/rabbitmq from the topology
    Definitions(definitions::Arguments),
    /// Write proto-schemas/ from the types of the messages
    Schemas(schemas::Arguments),
    /// The private RabbitMQ, PostgreSQL and Ceph under target/dev
    #[command(subcommand)]
    Services(services::Command),
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Demo(arguments) => demo::run(arguments).await,
        Command::Up => up::run().await,
        Command::Down => down::run().await,
        Command::Chaos(arguments) => chaos::run(arguments).await,
        Command::Test(arguments) => test::run(arguments).await,
        Command::Flood(arguments) => flood::run(arguments).await,
        Command::Overload(arguments) => overload::run(arguments).await,
        Command::Compose(arguments) => compose::run(arguments).await,
        Command::Bench(arguments) => bench::run(arguments).await,
        Command::Sqlx(arguments) => sqlx::run(arguments).await,
        Command::Definitions(arguments) => definitions::run(&arguments),
        Command::Schemas(arguments) => schemas::run(&arguments),
        Command::Services(command) => services::run(command).await,
    };
    if let Err(error) = result {
        eprintln!("error: {error:#}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
