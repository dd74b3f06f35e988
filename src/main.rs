//! The command line of Callhome.

mod cmd;

use clap::Parser;

fn main() -> std::process::ExitCode {
    cmd::run(cmd::Cli::parse())
}
