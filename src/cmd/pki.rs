//! `callhome pki`: the keys and certificates that the roles trust one another by (docs/PROVISIONING.md).

mod authority;
mod names;
mod tree;

use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;
use schemas::identity::{OperatorId, SupplierId};

use super::client::{Shown, Table};
pub use names::RoleHost;
use names::{HostedRole, PermittedName};
pub use tree::{Pair, Tree, Wanted};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make what is missing: root, platform CA, TLS and signing certificates of every role. What is there is kept.
    Init {
        /// The folder.
        #[arg(long, short)]
        out: PathBuf,
        /// An operator (SHO) that gets a TLS and a signing certificate and a sealing key; several times for several.
        #[arg(long = "operator", default_value = "sho-a")]
        operators: Vec<OperatorId>,
        /// A supplier that gets a certificate for enrolments; several times for several.
        #[arg(long = "supplier", default_value = "acme")]
        suppliers: Vec<SupplierId>,
        /// Where a role is: its name or `sho:` and an operator, `=`, and a DNS name or IP address for its TLS certificate
        /// (`--host drf=drf.example --host sho:sho-a=sho.example`); several times for several. Loopback names (localhost,
        /// 127.0.0.1, ::1) may stand without a role and are for all. A role without any gets the loopback names.
        #[arg(long = "host", value_name = "ROLE=NAME")]
        hosts: Vec<RoleHost>,
        /// An operator that hosts another role under its own certificate: `--serves sho-a=dpf`.
        #[arg(long = "serves", value_name = "OPERATOR=ROLE")]
        serves: Vec<HostedRole>,
        /// What else a new root may certify later, besides the names of --host: a DNS domain with what is below it, or a
        /// network of addresses (10.1.0.0/16).
        #[arg(long = "permit", value_name = "DOMAIN")]
        permit: Vec<PermittedName>,
        /// Days that certificates are good for; those of TLS at most 825.
        #[arg(long, default_value_t = 3650, value_parser = clap::value_parser!(i64).range(1..=36500))]
        days: i64,
    },
    /// List the certificates of a folder: for what, of whom, until when.
    Show {
        /// The folder.
        folder: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Does it.
pub fn run(args: Args) -> anyhow::Result<()> {
    match args.what {
        What::Init { out, operators, suppliers, hosts, serves, permit, days } => {
            let wanted = Wanted { operators, suppliers, hosts, serves, permit, days };
            let made = Tree::at(&out).make(&wanted)?;
            println!("{}: {made} made, the rest was there", out.display());
            println!(
                "Devices embed root.crt (trust anchor); give each role its own files, and keep root.key offline."
            );
            Ok(())
        }
        What::Show { folder, json } => show(&folder, json),
    }
}

/// A certificate's row.
#[derive(Debug, serde::Serialize)]
struct Row {
    file: String,
    name: String,
    good_for: String,
    issuer: String,
    until: String,
}

impl Shown for Row {
    const HEADERS: &'static [&'static str] = &["FILE", "NAME", "GOOD FOR", "ISSUER", "UNTIL"];

    fn row(&self) -> Vec<String> {
        [&self.file, &self.name, &self.good_for, &self.issuer, &self.until].map(Clone::clone).to_vec()
    }
}

fn show(folder: &std::path::Path, json: bool) -> anyhow::Result<()> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .with_context(|| {
            format!("{}: the folder cannot be read; `callhome pki init --out` makes one", folder.display())
        })?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "crt"))
        .collect();
    files.sort();
    let mut table = Table::new(Row::HEADERS, json);
    for path in files {
        let pem = std::fs::read(&path).with_context(|| path.display().to_string())?;
        let chain = schemas::trust::chain_from_pem(&pem).with_context(|| path.display().to_string())?;
        let leaf = chain.first().with_context(|| path.display().to_string())?;
        let about = schemas::trust::describe(leaf).with_context(|| path.display().to_string())?;
        table.add(&Row {
            file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            name: about.subject,
            good_for: about.good_for,
            issuer: about.issuer,
            until: about.until,
        })?;
    }
    table.end()
}
