//! The lab's data folder: everything in it is made at the first run and used again at the next.

use std::{
    fs,
    io::Write,
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use service::auth::Token;

/// Origin-Host of the simulated MME.
pub const MME: &str = "mme.epc.mnc070.mcc999.3gppnetwork.org";
/// Origin-Realm of the simulated MME.
pub const MME_REALM: &str = "epc.mnc070.mcc999.3gppnetwork.org";
/// Origin-Host of the ICF.
const ICF: &str = "icf.epc.mnc071.mcc999.3gppnetwork.org";
/// Origin-Realm of the ICF: the realm that an MME derives from the PCIDs' PLMN 999-71 (TS 23.003 §19.2).
pub const REALM: &str = "epc.mnc071.mcc999.3gppnetwork.org";

/// Where things are.
#[derive(Debug)]
pub struct Lab {
    /// The ICF's configuration.
    pub config: PathBuf,
    /// A token that may do everything.
    pub token: PathBuf,
    /// The issued credentials, as the supplier would embed them.
    pub credentials: PathBuf,
    /// The sequence numbers that the devices' USIMs have accepted.
    pub usim: PathBuf,
}

impl Lab {
    /// Makes what is not there.
    ///
    /// # Errors
    /// Which file cannot be made, and what to do.
    pub fn prepare(data: &Path, diameter: SocketAddr, rest: SocketAddr) -> anyhow::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(data).with_context(|| {
            format!("{}: the data folder cannot be made; choose another with --data", data.display())
        })?;
        let lab = Self {
            config: data.join("icf.toml"),
            token: data.join("token"),
            credentials: data.join("credentials.ndjson"),
            usim: data.join("usim.json"),
        };
        let key = data.join("at-rest.key");
        let database = data.join("icf.db");
        if !key.exists() {
            if database.exists() {
                bail!(
                    "{} is there but its key {} is not: put the key back, or start anew with another --data",
                    database.display(),
                    key.display()
                );
            }
            super::super::keys::generate(&key, false)?;
        }
        let hash = if lab.token.exists() {
            let text = service::config::SecretSource::File(lab.token.clone()).read()?;
            Token::parse(text.expose()).with_context(|| lab.token.display().to_string())?.hash()
        } else {
            let token = Token::generate().context("the system gives no random numbers")?;
            write_private(&lab.token, token.expose().as_bytes())?;
            token.hash()
        };
        let config = format!(
            "# Written by `callhome lab`, and written anew at each start of it.\n\
             [diameter]\n\
             origin_host = \"{ICF}\"\n\
             origin_realm = \"{REALM}\"\n\
             listen = [\"tcp://{diameter}\"]\n\
             peers = [{{ identity = \"{MME}\" }}, {{ identity = \"mme.localdomain\" }}]\n\n\
             [database]\n\
             url = \"sqlite://{}\"\n\n\
             [keys]\n\
             at_rest = {{ file = {key:?} }}\n\n\
             [rest]\n\
             listen = \"{rest}\"\n\
             tokens = [{{ name = \"lab\", hash = \"{hash}\", scopes = [\"admin\"] }}]\n\n\
             [icf]\n\
             instance = \"lab\"\n\
             address_pool = \"10.45.128.0/17\"\n\n\
             [log]\n\
             filter = \"warn\"\n",
            database.display(),
        );
        write_private(&lab.config, config.as_bytes())?;
        Ok(lab)
    }
}

/// Writes a file that only its owner can read, whole or not at all.
///
/// # Errors
/// Which file, and why not.
pub fn write_private(path: &Path, contents: &[u8]) -> anyhow::Result<()> {
    let part = path.with_extension("part");
    let write = || -> std::io::Result<()> {
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        file.write_all(contents)?;
        file.sync_all()?;
        fs::rename(&part, path)
    };
    write().with_context(|| {
        format!("{} cannot be written; check the folder's permissions and the disk's space", path.display())
    })
}
