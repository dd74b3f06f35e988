//! The REST API from the command line: where the server is, who asks, and what is shown.

mod failure;
mod show;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use reqwest::{Method, RequestBuilder, Response, Url, header};
use schemas::{rest::Page, trust::ServerRole};
use serde::Serialize;
use serde::de::DeserializeOwned;
use service::config::{Secret, SecretSource};

pub use failure::Failure;
pub use show::{Shown, Table, day, or_dash};

/// Items asked for at a time.
const PAGE: u64 = 500;

/// Where the server is, and who asks.
#[derive(Debug, Clone, clap::Args)]
pub struct Server {
    /// The ICF's REST API, as `[rest] listen` has it.
    #[arg(long, env = "CALLHOME_URL", default_value = "http://127.0.0.1:8080", global = true)]
    url: String,
    /// File that holds the bearer token; else it is taken from the variable CALLHOME_TOKEN.
    #[arg(long, global = true)]
    token_file: Option<PathBuf>,
    /// Who signs the server's certificate, PEM; needed for https.
    #[arg(long, env = "CALLHOME_CA", global = true)]
    ca: Option<PathBuf>,
    /// JSON for scripts, one item a line.
    #[arg(long, global = true)]
    pub json: bool,
}

/// How much of a listing to show.
#[derive(Debug, Clone, clap::Args)]
pub struct Range {
    /// Items at most; 0 for all.
    #[arg(long, default_value_t = 100)]
    limit: u64,
    /// Start after this key.
    #[arg(long)]
    after: Option<String>,
}

impl Range {
    /// The key to start after.
    #[must_use]
    pub fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }
}

/// Reads a file, or standard input for `-`.
///
/// # Errors
/// Which file, and why not.
pub fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    if file == Path::new("-") {
        let mut text = Vec::new();
        std::io::stdin().lock().read_to_end(&mut text).context("standard input cannot be read")?;
        return Ok(text);
    }
    std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))
}

/// A connection to the API.
pub struct Client {
    http: reqwest::Client,
    base: Url,
    token: Secret,
    /// Whether to write JSON.
    pub json: bool,
}

impl Server {
    /// Reads the token and sets the connection up; nothing is sent yet.
    ///
    /// # Errors
    /// What is missing or wrong, and what to do.
    pub fn client(&self) -> Result<Client, Failure> {
        let wrong = |why: String| Failure::Usage(format!("--url {}: {why}", self.url));
        let base = Url::parse(&self.url).map_err(|error| wrong(error.to_string()))?;
        let builder = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        let builder = match (base.scheme(), &self.ca) {
            ("http", None) => builder,
            ("https", Some(ca)) => {
                let tls = service::tls::ClientTls {
                    ca_file: ca.clone(),
                    cert_file: None,
                    key_file: None,
                    min_version: Default::default(),
                };
                let tls = service::tls::role_client_config(&tls, service::tls::HTTP_ALPN, ServerRole::Icf)
                    .map_err(|error| Failure::Usage(format!("--ca {}: {error}", ca.display())))?;
                builder.tls_backend_preconfigured(rustls::ClientConfig::clone(&tls))
            }
            ("http", Some(_)) => return Err(wrong("--ca is for https:// only".to_owned())),
            ("https", None) => return Err(wrong("name who signs its certificate: --ca FILE".to_owned())),
            _ => return Err(wrong("has to start with http:// or https://".to_owned())),
        };
        let http = builder.build().map_err(|error| wrong(error.to_string()))?;
        Ok(Client { http, base, token: self.token()?, json: self.json })
    }

    /// Whether there is a token to ask with.
    #[must_use]
    pub fn has_token(&self) -> bool {
        self.token_file.is_some() || std::env::var_os("CALLHOME_TOKEN").is_some()
    }

    fn token(&self) -> Result<Secret, Failure> {
        match &self.token_file {
            Some(file) => SecretSource::File(file.clone())
                .read()
                .map_err(|error| Failure::Usage(format!("--token-file: {error}"))),
            None => SecretSource::Env("CALLHOME_TOKEN".to_owned()).read().map_err(|_| {
                Failure::Usage(
                    "a token is needed: --token-file FILE, or the variable CALLHOME_TOKEN; \
                     `callhome keys token` makes one, its hash belongs into [rest] tokens"
                        .to_owned(),
                )
            }),
        }
    }
}

impl Client {
    /// A request to `/v1/` and these segments, which may hold anything.
    ///
    /// # Errors
    /// If the URL of the server cannot have a path.
    pub fn request(&self, method: Method, segments: &[&str]) -> Result<RequestBuilder, Failure> {
        self.request_with(method, segments, &[])
    }

    /// As [`Client::request`], with a query.
    ///
    /// # Errors
    /// As there.
    pub fn request_with(
        &self,
        method: Method,
        segments: &[&str],
        query: &[(&str, &str)],
    ) -> Result<RequestBuilder, Failure> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| Failure::Usage(format!("--url {}: cannot have a path", self.base)))?
            .pop_if_empty()
            .push("v1")
            .extend(segments);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(self.authorised(method, url))
    }

    fn authorised(&self, method: Method, url: Url) -> RequestBuilder {
        self.http.request(method, url).bearer_auth(self.token.expose())
    }

    /// Sends a request; an answer that is no success is a failure with the server's words.
    ///
    /// # Errors
    /// The server is not reached, or refuses.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let answer = request.send().await.map_err(|error| Failure::unreachable(&self.base, &error))?;
        if answer.status().is_success() { Ok(answer) } else { Err(Failure::refused(answer).await) }
    }

    /// Sends a request and reads the JSON of its answer.
    ///
    /// # Errors
    /// As [`Client::send`], or if the answer is not what it should be.
    pub async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Failure> {
        self.send(request).await?.json().await.map_err(|error| Failure::nonsense(&self.base, &error))
    }

    /// GET.
    ///
    /// # Errors
    /// As [`Client::json`].
    pub async fn get<T: DeserializeOwned>(&self, segments: &[&str]) -> Result<T, Failure> {
        self.json(self.request(Method::GET, segments)?).await
    }

    /// Shows one thing.
    ///
    /// # Errors
    /// If it cannot be written out.
    pub fn show<T: Shown>(&self, one: &T) -> anyhow::Result<()> {
        show::one(one, self.json)
    }

    /// The first items of a listing, and whether there are more.
    ///
    /// # Errors
    /// As [`Client::json`].
    pub async fn first<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        limit: u64,
    ) -> Result<(Vec<T>, bool), Failure> {
        let range = Range { limit, after: None };
        let mut url = self.page_url(segments, &[], limit.min(PAGE), &range)?;
        let mut items: Vec<T> = Vec::new();
        loop {
            let page: Page<T> = self.json(self.authorised(Method::GET, url)).await?;
            items.extend(page.items);
            let Some(next) = page.next else { return Ok((items, false)) };
            if items.len() as u64 >= limit {
                return Ok((items, true));
            }
            url = self.base.join(&next).map_err(|error| Failure::Usage(error.to_string()))?;
        }
    }

    /// Shows a listing, page by page.
    ///
    /// # Errors
    /// As [`Client::json`], or if it cannot be written out.
    pub async fn list<T: Shown + DeserializeOwned>(
        &self,
        segments: &[&str],
        query: &[(&str, Option<String>)],
        range: &Range,
    ) -> anyhow::Result<()> {
        let mut left = if range.limit == 0 { u64::MAX } else { range.limit };
        let mut table = Table::new(T::HEADERS, self.json);
        let mut url = self.page_url(segments, query, left.min(PAGE), range)?;
        loop {
            let page: Page<T> = self.json(self.authorised(Method::GET, url)).await?;
            for item in page.items.iter().take(usize::try_from(left).unwrap_or(usize::MAX)) {
                table.add(item)?;
            }
            left = left.saturating_sub(page.items.len() as u64);
            let Some(next) = page.next else { break };
            if left == 0 {
                table.more();
                break;
            }
            url = self.base.join(&next).map_err(|error| Failure::Usage(error.to_string()))?;
        }
        table.end()
    }

    fn page_url(
        &self,
        segments: &[&str],
        query: &[(&str, Option<String>)],
        limit: u64,
        range: &Range,
    ) -> Result<Url, Failure> {
        let request = self.request(Method::GET, segments)?.build();
        let mut url = request.map_err(|error| Failure::Usage(error.to_string()))?.url().clone();
        let mut pairs = url.query_pairs_mut();
        pairs.append_pair("limit", &limit.to_string());
        for (name, value) in query.iter().chain([&("after", range.after.clone())]) {
            if let Some(value) = value {
                pairs.append_pair(name, value);
            }
        }
        drop(pairs);
        Ok(url)
    }
}

/// A request with a JSON body.
///
/// # Errors
/// If it cannot be serialised.
pub fn with_json<T: Serialize>(request: RequestBuilder, body: &T) -> Result<RequestBuilder, Failure> {
    let body = serde_json::to_vec(body).map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(request.header(header::CONTENT_TYPE, "application/json").body(body))
}

/// A request for one version only.
pub fn if_version(request: RequestBuilder, version: Option<i64>) -> RequestBuilder {
    match version {
        Some(version) => request.header(header::IF_MATCH, format!("\"{version}\"")),
        None => request,
    }
}
