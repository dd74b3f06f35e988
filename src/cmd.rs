//! The subcommands, a file each.

mod audit;
mod av_pools;
mod batches;
mod bench;
mod client;
mod config;
mod credentials;
mod crowd;
mod database;
mod devices;
mod enb;
mod events;
mod files;
mod fleet;
mod icf;
mod keys;
mod lab;
mod load;
mod open5gs;
mod peers;
mod pki;
mod profiles;
mod registrations;
mod role;
mod ue;

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
    /// Run the Discovery and Registration Function: finds a device's operator and sends the device there.
    Drf(role::Args),
    /// Run the Download and Provisioning Function: takes a device from its trigger to its operator's RNCP.
    Dpf(role::Args),
    /// Run the reference operator (SHO): contracts, numbers, RNCPs, and its HSS told.
    Sho(role::Args),
    /// Run the Platform Validation Authority: enrolment, platform certificates, verdicts, OCSP.
    Pva(role::Args),
    /// Run every role on loopback and take simulated devices through all steps.
    Lab(lab::Args),
    /// Provision a thousand simulated devices at once in a lab: devices a second, and where the time goes.
    Fleet(fleet::Args),
    /// Run thousands of simulated devices against an S6a server.
    Load(load::Args),
    /// Run a simulated UE and eNB against a real MME (S1AP), step by step.
    Ue(ue::Args),
    /// Run thousands of simulated UEs against a real MME (S1AP), with a report.
    Crowd(crowd::Args),
    /// Measure how many AIRs a second the ICF answers, beside a responder that does nothing.
    Bench(bench::Args),
    /// Provisional credentials: list, show, create, import, change.
    Credentials(credentials::Args),
    /// Batches of credentials: list, show, issue.
    Batches(batches::Args),
    /// Profiles: what credentials are good for.
    Profiles(profiles::Args),
    /// Where devices are registered; cancel (CLR).
    Registrations(registrations::Args),
    /// The Diameter peers.
    Peers(peers::Args),
    /// Pools of ready authentication vectors.
    AvPools(av_pools::Args),
    /// Open5GS: what to put into its configuration, and whether that of a core is right.
    Open5gs(open5gs::Args),
    /// What happens, as it happens.
    Events(events::Args),
    /// Who has changed what.
    Audit(audit::Args),
    /// Print or check a configuration.
    Config(config::Args),
    /// Make and rotate the keys that the database is encrypted with; make REST tokens.
    Keys(keys::Args),
    /// A role's database: back it up while the role runs.
    Database(database::Args),
    /// Make and list the certificates that the roles and devices trust one another by.
    Pki(pki::Args),
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
            Command::Drf(args) => role::drf(args, on_signal()?).await,
            Command::Dpf(args) => role::dpf(args, on_signal()?).await,
            Command::Sho(args) => role::sho(args, on_signal()?).await,
            Command::Pva(args) => role::pva(args, on_signal()?).await,
            Command::Lab(args) => lab::run(args, on_signal()?).await,
            Command::Fleet(args) => fleet::run(args, on_signal()?).await,
            Command::Bench(args) => bench::run(args, on_signal()?).await,
            Command::Load(args) => load::run(args, on_signal()?).await,
            Command::Crowd(args) => crowd::run(args, on_signal()?).await,
            Command::Ue(args) => ue::run(args, on_signal()?).await,
            Command::Credentials(args) => credentials::run(args).await,
            Command::Batches(args) => batches::run(args).await,
            Command::Profiles(args) => profiles::run(args).await,
            Command::Registrations(args) => registrations::run(args).await,
            Command::Peers(args) => peers::run(args).await,
            Command::AvPools(args) => av_pools::run(args).await,
            Command::Open5gs(args) => open5gs::run(args).await,
            Command::Events(args) => events::run(args).await,
            Command::Audit(args) => audit::run(args).await,
            Command::Config(args) => config::run(&args).await,
            Command::Keys(args) => keys::run(args).await,
            Command::Database(args) => database::run(args).await,
            Command::Pki(args) => pki::run(args),
        }
    });
    // What still runs in the background has had its grace.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            let failure = error.chain().find_map(|cause| cause.downcast_ref::<client::Failure>());
            ExitCode::from(failure.map_or(1, client::Failure::exit_code))
        }
    }
}

/// Cancelled by the first SIGTERM or SIGINT.
fn on_signal() -> anyhow::Result<tokio_util::sync::CancellationToken> {
    service::shutdown::on_signal().context("signals cannot be waited for")
}
