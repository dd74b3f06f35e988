//! `callhome keys`: at-rest keys and REST tokens.

use std::{io::Write, os::unix::fs::OpenOptionsExt, path::PathBuf};

use anyhow::{Context, bail};
use clap::Subcommand;
use icf_auc::store::{Store, sealed::Keyring};
use service::auth::Token;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Write a new key file for `[keys] at_rest`, or add a newer key to one.
    Generate {
        /// The key file.
        #[arg(long)]
        out: PathBuf,
        /// Add a key to a file that is there, for `keys rotate`.
        #[arg(long)]
        add: bool,
    },
    /// Encrypt everything in the database with the newest key of the key file.
    Rotate {
        /// The ICF's configuration.
        #[arg(long, short, default_value = "icf.toml", env = "CALLHOME_CONFIG")]
        config: PathBuf,
    },
    /// Make a bearer token for `[rest] tokens`.
    Token,
}

/// Does it.
pub async fn run(args: Args) -> anyhow::Result<()> {
    match args.what {
        What::Generate { out, add } => generate(&out, add),
        What::Rotate { config } => rotate(&config).await,
        What::Token => {
            let token = Token::generate().context("the system gives no random numbers")?;
            println!("token  {}", token.expose());
            println!("hash   {}", token.hash());
            eprintln!("Give the token to its user; put the hash into [rest] tokens. It is shown only now.");
            Ok(())
        }
    }
}

/// Writes a new key file, readable by its owner only, or adds a key to it; and says so.
fn generate(out: &std::path::Path, add: bool) -> anyhow::Result<()> {
    let id = write(out, add)?;
    eprintln!("key {id} written to {}; without it the database cannot be read: keep a copy", out.display());
    Ok(())
}

/// Writes a new key file, readable by its owner only, or adds a key to it; gives the key's id.
pub fn write(out: &std::path::Path, add: bool) -> anyhow::Result<u32> {
    let id = if add {
        Keyring::read(out)?.newest_id() + 1
    } else if out.exists() {
        bail!("{} is there already; --add adds a newer key to it, for `callhome keys rotate`", out.display());
    } else {
        1
    };
    let line = Keyring::generate_line(id)?;
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .create(!add)
        .mode(0o600)
        .open(out)
        .with_context(|| format!("{} cannot be written", out.display()))?;
    let line = zeroize::Zeroizing::new(format!("{}\n", line.trim_end()));
    let before = file.metadata().map(|found| found.len()).with_context(|| out.display().to_string())?;
    let written = file.write_all(line.as_bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        // Half a line would make the whole file unreadable, and with it the database.
        let _ = if add { file.set_len(before) } else { std::fs::remove_file(out) };
    }
    written.with_context(|| format!("{} cannot be written", out.display()))?;
    Ok(id)
}

async fn rotate(config: &std::path::Path) -> anyhow::Result<()> {
    let config = super::config::load(config)?;
    let store = icf_auc::start::open_database(&config).await?;
    // Opening it has told the database of the newest key; every ICF that runs reads its key file again then.
    let lagging = store.sealing_with_older_keys().await?;
    if !lagging.is_empty() {
        store.withdraw_newest_key().await?;
        bail!(
            "nothing is rotated, since not every ICF on this database seals with the newest key: {}. Put the new line into \
             the key file that its keys.at_rest names, or stop it, and try again",
            lagging.join("; ")
        );
    }
    let mut total = 0;
    loop {
        let done = store.rotate(1000).await?;
        if done == 0 {
            break;
        }
        total += done;
        eprint!("\r{total} re-encrypted");
    }
    let lagging = store.sealing_with_older_keys().await?;
    if !lagging.is_empty() {
        bail!(
            "{total} re-encrypted, but older keys are still needed: {}. See to that, and run this once more",
            lagging.join("; ")
        );
    }
    if let Some((count, first)) = store.left_by_rotation().await? {
        bail!(
            "{total} re-encrypted; {count} values do not open and stay as they are, {first} among them: older keys stay in \
             the key file. Import those credentials anew from a good copy, or delete them (callhome credentials delete), \
             and run this once more"
        );
    }
    store.close().await;
    eprintln!(
        "\r{total} re-encrypted; everything in the database is sealed with the newest key, and every ICF that runs seals \
         with it: older keys may now be removed from the key file, once no backup needs them"
    );
    Ok(())
}
