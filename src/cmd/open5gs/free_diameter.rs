//! freeDiameter's configuration, as far as a connection to the ICF depends on it: `mme.conf`, or the section of the same
//! meaning in `mme.yaml` (`mme: freeDiameter: { identity: … }`).

use super::yaml::Node;

/// What freeDiameter is told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FreeDiameter {
    /// Its own Origin-Host.
    pub identity: Option<String>,
    /// Its own Origin-Realm.
    pub realm: Option<String>,
    /// Whether it has SCTP at all.
    pub no_sctp: bool,
    /// Whether TCP is tried before SCTP everywhere.
    pub prefer_tcp: bool,
    /// Whom it connects to.
    pub connects: Vec<Connect>,
}

/// A peer that it connects to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Connect {
    /// The Origin-Host that the peer has to answer with.
    pub identity: String,
    /// The line that says so.
    pub line: usize,
    /// Addresses; empty: the name is looked up.
    pub addresses: Vec<String>,
    /// The port, if it is not that of Diameter.
    pub port: Option<u16>,
    /// Without TLS.
    pub no_tls: bool,
    /// With TLS after the CER (RFC 3588), which Callhome does not do.
    pub old_tls: bool,
    /// Never over SCTP.
    pub no_sctp: bool,
    /// Over TCP first.
    pub prefer_tcp: bool,
}

/// A word, a text in quotation marks, or a sign.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Sign(char),
}

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, String> {
    let mut out = Vec::new();
    for (at, whole) in text.lines().enumerate() {
        let line = at + 1;
        let mut rest = whole;
        while let Some(first) = rest.chars().next() {
            let taken = match first {
                '#' => break,
                '"' => {
                    let inner = &rest[1..];
                    let end = inner.find('"').ok_or_else(|| format!("line {line}: \" is not closed"))?;
                    out.push((line, Token::Text(inner[..end].to_owned())));
                    end + 2
                }
                c if c.is_whitespace() => c.len_utf8(),
                c if c.is_ascii_alphanumeric() || c == '_' => {
                    let end = rest
                        .find(|c: char| !(c.is_ascii_alphanumeric() || "_.-".contains(c)))
                        .unwrap_or(rest.len());
                    out.push((line, Token::Word(rest[..end].to_owned())));
                    end
                }
                c => {
                    out.push((line, Token::Sign(c)));
                    c.len_utf8()
                }
            };
            rest = &rest[taken..];
        }
    }
    Ok(out)
}

/// Reads a `mme.conf`. What does not matter here is passed over.
///
/// # Errors
/// Line, and what is wrong there.
pub fn read(text: &str) -> Result<FreeDiameter, String> {
    let tokens = tokens(text)?;
    let mut found = FreeDiameter::default();
    // Statements end with a semicolon; those of a peer stand in braces.
    for statement in split(&tokens) {
        let [(line, Token::Word(key)), rest @ ..] = statement else { continue };
        let value = rest.iter().find_map(|(_, token)| match token {
            Token::Text(text) => Some(text.clone()),
            _ => None,
        });
        match key.to_ascii_lowercase().as_str() {
            "identity" => found.identity = value,
            "realm" => found.realm = value,
            "no_sctp" => found.no_sctp = true,
            "prefer_tcp" => found.prefer_tcp = true,
            "connectpeer" => {
                let identity = value.ok_or_else(|| format!("line {line}: ConnectPeer names nobody"))?;
                found.connects.push(connect(identity, *line, rest));
            }
            _ => {}
        }
    }
    Ok(found)
}

fn split(tokens: &[(usize, Token)]) -> Vec<&[(usize, Token)]> {
    let (mut out, mut from, mut depth) = (Vec::new(), 0, 0usize);
    for (at, (_, token)) in tokens.iter().enumerate() {
        match token {
            Token::Sign('{') => depth += 1,
            Token::Sign('}') => depth = depth.saturating_sub(1),
            Token::Sign(';') if depth == 0 => {
                out.push(&tokens[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    out.push(&tokens[from..]);
    out
}

fn connect(identity: String, line: usize, tokens: &[(usize, Token)]) -> Connect {
    let mut peer = Connect { identity, line, ..Connect::default() };
    let inside =
        tokens.iter().position(|(_, token)| *token == Token::Sign('{')).map_or(tokens.len(), |at| at + 1);
    for option in tokens[inside..].split(|(_, token)| *token == Token::Sign(';')) {
        let [(_, Token::Word(key)), rest @ ..] = option else { continue };
        let value = rest.iter().find_map(|(_, token)| match token {
            Token::Text(text) | Token::Word(text) => Some(text.as_str()),
            Token::Sign(_) => None,
        });
        match key.to_ascii_lowercase().as_str() {
            "connectto" => peer.addresses.extend(value.map(str::to_owned)),
            "port" => peer.port = value.and_then(|value| value.parse().ok()),
            "no_tls" => peer.no_tls = true,
            "tls_old_method" => peer.old_tls = true,
            "no_sctp" => peer.no_sctp = true,
            "prefer_tcp" => peer.prefer_tcp = true,
            _ => {}
        }
    }
    peer
}

/// Reads the section that may stand in `mme.yaml` instead of the name of a file. It knows no TLS (config.c sets
/// PI_SEC_NONE) and goes over SCTP first.
pub fn section(node: &Node) -> FreeDiameter {
    let text = |key: &str| node.text_of(key).map(str::to_owned);
    let connects = node.get("connect").map(Node::each).unwrap_or_default().iter().filter_map(|one| {
        Some(Connect {
            identity: one.text_of("identity")?.to_owned(),
            line: one.line,
            addresses: vec![one.text_of("address")?.to_owned()],
            port: one.text_of("port").and_then(|port| port.parse().ok()).filter(|port| *port > 0),
            no_tls: true,
            ..Connect::default()
        })
    });
    FreeDiameter {
        identity: text("identity"),
        realm: text("realm"),
        connects: connects.collect(),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONF: &str = r#"
# ConnectPeer = "nobody" { No_TLS; };
Identity = "mme.localdomain";
Realm = "localdomain"; Port = 3868;
TLS_Cred = "mme.crt", "mme.key";
No_SCTP;
ConnectPeer = "hss.localdomain" { ConnectTo = "127.0.0.8"; No_TLS; };
ConnectPeer = "icf.example" {
    ConnectTo = "192.0.2.10"; ConnectTo = "2001:db8::10";
    Port = 13868;   # not the usual one
    No_TLS; Prefer_TCP;
};
"#;

    #[test]
    fn peers_are_read_with_what_matters() {
        let read = read(CONF).unwrap();
        assert_eq!(
            (read.identity.as_deref(), read.realm.as_deref()),
            (Some("mme.localdomain"), Some("localdomain"))
        );
        assert!(read.no_sctp && !read.prefer_tcp);
        assert_eq!(read.connects.len(), 2);
        let icf = &read.connects[1];
        assert_eq!((icf.identity.as_str(), icf.line, icf.port), ("icf.example", 8, Some(13868)));
        assert_eq!(icf.addresses, ["192.0.2.10", "2001:db8::10"]);
        assert!(icf.no_tls && icf.prefer_tcp && !icf.no_sctp && !icf.old_tls);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        assert_eq!(read("Identity = \"mme").unwrap_err(), "line 1: \" is not closed");
        assert_eq!(read("\nConnectPeer;").unwrap_err(), "line 2: ConnectPeer names nobody");
    }

    #[test]
    fn the_section_of_the_yaml_means_the_same() {
        let root = super::super::yaml::read(
            "identity: mme.localdomain\nrealm: localdomain\nconnect:\n  - identity: icf.example\n    address: 192.0.2.10\n",
        );
        let read = section(&root.unwrap());
        assert_eq!(read.connects[0].identity, "icf.example");
        assert!(read.connects[0].no_tls && read.connects[0].port.is_none());
        assert_eq!(read.connects[0].line, 4);
    }
}
