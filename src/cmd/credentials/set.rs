//! `callhome credentials set`.

use std::net::IpAddr;
use std::str::FromStr;

use schemas::identity::Imsi;
use schemas::rest::CredentialPatch;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::cmd::client::{Client, Failure};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its IMSI.
    imsi: Imsi,
    /// Another profile.
    #[arg(long)]
    profile: Option<String>,
    /// Another end, such as 2027-01-31T00:00:00Z, or `never`.
    #[arg(long, value_parser = expiry)]
    expires: Option<OrNone<OffsetDateTime>>,
    /// Another number of attaches it is good for, or `profile` for the profile's.
    #[arg(long, value_parser = or_none::<u32>("profile"))]
    attach_budget: Option<OrNone<u32>>,
    /// Another address, or `pool` to have one assigned.
    #[arg(long, value_parser = or_none::<IpAddr>("pool"))]
    address: Option<OrNone<IpAddr>>,
    /// Take an address outside the profile's pool.
    #[arg(long)]
    allow_other_addresses: bool,
    /// Another MSISDN, or `none`.
    #[arg(long, value_parser = or_none::<String>("none"))]
    msisdn: Option<OrNone<String>>,
    /// Other overrides of its profile, as JSON such as {"stn_sr":"883130000000999"} or @FILE: merged into those that there
    /// are, null removing one; or `none` for none at all.
    #[arg(long, value_name = "JSON", value_parser = overrides)]
    overrides: Option<OrNone<Fields>>,
    /// Only if it is still of this version.
    #[arg(long)]
    if_version: Option<i64>,
}

/// A value, or that there is to be none: clap takes an `Option` of an `Option` for something else.
#[derive(Debug, Clone)]
struct OrNone<T>(Option<T>);

fn or_none<T: FromStr + Clone>(
    none: &'static str,
) -> impl Fn(&str) -> Result<OrNone<T>, String> + Clone + Send + Sync + 'static
where
    T::Err: std::fmt::Display,
{
    move |text| {
        if text == none {
            return Ok(OrNone(None));
        }
        text.parse().map(|value| OrNone(Some(value))).map_err(|error| format!("{error}; or `{none}`"))
    }
}

/// Fields of a JSON object.
type Fields = serde_json::Map<String, serde_json::Value>;

fn overrides(text: &str) -> Result<OrNone<Fields>, String> {
    if text == "none" {
        return Ok(OrNone(None));
    }
    let json = match text.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?,
        None => text.to_owned(),
    };
    let fields = serde_json::from_str(&json);
    fields.map(|fields| OrNone(Some(fields))).map_err(|error| format!("{error}; a JSON object, or `none`"))
}

fn expiry(text: &str) -> Result<OrNone<OffsetDateTime>, String> {
    if text == "never" {
        return Ok(OrNone(None));
    }
    OffsetDateTime::parse(text, &Rfc3339)
        .map(|at| OrNone(Some(at)))
        .map_err(|_| "a point in time is written as in 2027-01-31T00:00:00Z; or `never`".to_owned())
}

/// Changes it.
pub async fn run(args: Args, client: &Client) -> anyhow::Result<()> {
    let patch = CredentialPatch {
        state: None,
        profile: args.profile,
        expires_at: args.expires.map(|end| end.0),
        attach_budget: args.attach_budget.map(|budget| budget.0),
        address: args.address.map(|address| address.0),
        msisdn: args.msisdn.map(|msisdn| msisdn.0),
        overrides: args.overrides.map(|fields| fields.0),
    };
    if patch == CredentialPatch::default() {
        let text =
            "nothing to change: --profile, --expires, --attach-budget, --address, --msisdn or --overrides"
                .to_owned();
        return Err(Failure::Usage(text).into());
    }
    client
        .show(&super::patched(client, args.imsi, args.if_version, &patch, args.allow_other_addresses).await?)
}
