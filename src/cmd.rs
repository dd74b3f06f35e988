//! The subcommands, a file each.

mod config;
mod icf;
mod keys;
mod lab;
mod load;

use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};

/// Gets an IoT device without an operator online, finds its operator and fetches its credentials.
#[derive(Debug, Parser)]
#[command(name = "callhome", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the Initial Connectivity Function: an HSS/AuC for provisional IMSIs over Diameter S6a.
    Icf(icf::Args),
    /// Run every role on loopback and take a simulated device through the steps.
    Lab(lab::Args),
    /// Run thousands of simulated devices against an S6a server.
    Load(load::Args),
    /// Print or check a configuration.
    Config(config::Args),
    /// Make and rotate the keys that the database is encrypted with; make REST tokens.
    Keys(keys::Args),
}

/// Runs one subcommand. Exit codes: 0 done, 1 failed or refused, 2 wrong usage, 3 a server was not reached.
pub fn run(cli: Cli) -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: no threads can be started: {error}");
            return ExitCode::from(1);
        }
    };
    let result = runtime.block_on(async {
        service::tls::install_provider();
        match cli.command {
            Command::Icf(args) => icf::run(args, on_signal()?).await,
            Command::Lab(args) => lab::run(args, on_signal()?).await,
            Command::Load(args) => load::run(args, on_signal()?).await,
            Command::Config(args) => config::run(&args),
            Command::Keys(args) => keys::run(args).await,
        }
    });
    // What still runs in the background has had its grace.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(1)
        }
    }
}

/// Cancelled by the first SIGTERM or SIGINT.
fn on_signal() -> anyhow::Result<tokio_util::sync::CancellationToken> {
    service::shutdown::on_signal().context("signals cannot be waited for")
}
