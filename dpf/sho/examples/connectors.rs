//! Takes a subscriber through its life at each configured HSS: `cargo run -p sho --example connectors -- FILE IMSI`.
//! FILE has the `[[connectors]]` of an sho.toml; nobody may have the IMSI. Each call is made twice, as a retry would.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use schemas::identity::Imsi;
use serde::Deserialize;
use service::config::Loader;
use sho::{
    config::ConnectorConfig,
    connector::{Connector, Subscriber, all},
    keys::SubscriberKeys,
    model::{Ambr, PdnType},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    connectors: Vec<ConnectorConfig>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    service::tls::install_provider();
    let mut arguments = std::env::args().skip(1);
    let (Some(file), Some(imsi)) = (arguments.next(), arguments.next()) else {
        anyhow::bail!("FILE IMSI");
    };
    let config: Config = Loader::file(PathBuf::from(file)).load()?;
    let imsi: Imsi = imsi.parse().context("IMSI")?;
    for connector in all(&config.connectors)? {
        round(connector.as_ref(), imsi).await.with_context(|| connector.name().to_owned())?;
        println!("{}: published, barred, let in, given new keys, withdrawn: each twice", connector.name());
    }
    Ok(())
}

async fn round(hss: &dyn Connector, imsi: Imsi) -> anyhow::Result<()> {
    ensure!(!hss.exists(imsi).await?, "{imsi} is there already");
    let mut one = Subscriber {
        imsi,
        msisdn: Some("88210000001".to_owned()),
        keys: SubscriberKeys::generate()?,
        apn: "internet".to_owned(),
        ambr: Ambr::default(),
        pdn_type: PdnType::Ipv4,
        usable: false,
    };
    for _ in 0..2 {
        hss.publish(&one).await.context("publish")?;
        ensure!(hss.exists(imsi).await?, "published, and not there");
    }
    for _ in 0..2 {
        hss.set_usable(imsi).await.context("set_usable")?;
    }
    one.usable = true;
    one.keys = SubscriberKeys::generate()?;
    hss.clear(imsi).await.context("clear")?;
    for _ in 0..2 {
        hss.publish(&one).await.context("publish with new keys")?;
    }
    for _ in 0..2 {
        hss.withdraw(imsi).await.context("withdraw")?;
        ensure!(!hss.exists(imsi).await?, "withdrawn, and still there");
    }
    Ok(())
}
