//! `callhome credentials raise-sqn`: all sequence numbers go on above what may have been handed out.

use std::path::PathBuf;

use icf_auc::store::Store;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The ICF's configuration. The ICF may be running: what it leases from now on is above.
    #[arg(long, short, default_value = "icf.toml", env = "CALLHOME_CONFIG")]
    config: PathBuf,
    /// The clock is right though it is more than a year ahead of the last numbers: they go on from it, and are not raised
    /// further.
    #[arg(long)]
    clock_is_right: bool,
    /// Give out again the vectors of pools that were held back since the high-water mark was missing: they were not
    /// handed out, or the database was only moved.
    #[arg(long)]
    release_vectors: bool,
}

/// Does it.
///
/// # Errors
/// If the database or its high-water mark cannot be written.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let config = crate::cmd::config::load(&args.config)?;
    let store = icf_auc::start::open_database(&config).await?;
    let above = store.raise_numbers(args.clock_is_right, args.release_vectors).await?;
    let who = format!("cli:{}", std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned()));
    store.audit(&who, "numbers.raise", &above.to_string(), "done").await?;
    store.close().await;
    eprintln!("sequence numbers go on above those of {above}; a USIM takes the next one as it is");
    Ok(())
}
