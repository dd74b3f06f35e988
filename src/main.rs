//! The command line of Callhome.

#[macro_use]
mod out;
mod cmd;

use clap::Parser;

fn main() -> std::process::ExitCode {
    cmd::run(cmd::Cli::parse())
}
