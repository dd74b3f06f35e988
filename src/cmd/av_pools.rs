//! `callhome av-pools`: ready vectors, taken in and handed out.

use std::path::PathBuf;

use clap::Subcommand;
use reqwest::Method;
use schemas::identity::{Imsi, Plmn};
use schemas::rest::{AvPool, GenerateVectors, NewVectors, Vectors, VectorsAdded};

use super::client::{self, Failure, Range, Server, Shown, with_json};
use super::files::NewFile;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: Server,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List them by IMSI, with how many vectors are left.
    List(Range),
    /// Show how full one is.
    Show {
        /// Whose.
        imsi: Imsi,
    },
    /// Add vectors: {"vectors":[{"rand":"…","xres":"…","autn":"…","kasme":"…"}]}.
    Add {
        /// Whose.
        imsi: Imsi,
        /// File that holds them, - for standard input.
        file: PathBuf,
    },
    /// Hand vectors out, for a supplier's temporary access.
    Generate {
        /// Whose.
        imsi: Imsi,
        /// Network whose MME will use them, such as 999-71.
        #[arg(long)]
        visited_plmn: Plmn,
        /// How many.
        #[arg(long, default_value_t = 1)]
        count: u32,
        /// New file to write them to, readable by its owner only: they are as good as keys.
        #[arg(long)]
        out: PathBuf,
    },
}

/// Does it.
///
/// # Errors
/// Why not, and what to do.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let client = args.server.client()?;
    match args.what {
        What::List(range) => client.list::<AvPool>(&["av-pools"], &[], &range).await,
        What::Show { imsi } => client.show(&client.get::<AvPool>(&["av-pools", &imsi.to_string()]).await?),
        What::Add { imsi, file } => {
            let text = zeroize::Zeroizing::new(client::read(&file)?);
            let new: NewVectors = serde_json::from_slice(&text)
                .map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))?;
            let request = client.request(Method::POST, &["av-pools", &imsi.to_string(), "vectors"])?;
            let added: VectorsAdded = client.json(with_json(request, &new)?).await?;
            println!("{} added", added.added);
            Ok(())
        }
        What::Generate { imsi, visited_plmn, count, out } => {
            // First the file: vectors that cannot be written down are lost.
            let mut file = NewFile::begin(&out, "nothing was generated")?;
            let request =
                client.request(Method::POST, &["av-pools", &imsi.to_string(), "vectors:generate"])?;
            let asked = with_json(request, &GenerateVectors { visited_plmn, count })?;
            let made: Vectors = client.json(asked).await?;
            let text = zeroize::Zeroizing::new(serde_json::to_vec(&NewVectors { vectors: made.vectors })?);
            const ADVICE: &str =
                "these vectors are lost, which harms nothing: make room, and generate others";
            file.write(&text, ADVICE)?;
            file.finish(ADVICE)?;
            eprintln!("{count} vectors of {imsi} for {visited_plmn} in {}", out.display());
            Ok(())
        }
    }
}

impl Shown for AvPool {
    const HEADERS: &'static [&'static str] = &["imsi", "left", "used"];

    fn row(&self) -> Vec<String> {
        vec![self.imsi.to_string(), self.left.to_string(), self.used.to_string()]
    }
}
