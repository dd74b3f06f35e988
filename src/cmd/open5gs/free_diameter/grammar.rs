//! The statements of freeDiameter's configuration, as fdd.y has them: the first mistake ends it, at the token where
//! freeDiameter itself says so.

use super::super::fault::Fault;
use super::configuration::{Connect, Credentials, FreeDiameter, NamedFile, Without};
use super::keyword::Keyword;
use super::lexer::{Lexer, Position, Token};
use super::names::{is_identity, may_be_a_name, numeric_address};

/// Reads a configuration.
///
/// # Errors
/// The first thing that freeDiameter does not take, with its line and column.
pub fn parse(text: &[u8]) -> Result<FreeDiameter, Fault> {
    let mut lexer = Lexer::new(text);
    let next = lexer.next()?;
    let mut parser =
        Parser { lexer, next, statement: None, told: FreeDiameter::default(), peers: Without::default() };
    while parser.next.1 != Token::End {
        parser.statement()?;
    }
    parser.told.includes = parser.lexer.includes;
    Ok(parser.told)
}

/// One token of look-ahead.
struct Parser {
    lexer: Lexer,
    next: (Position, Token),
    /// The keyword and the line of the statement that is being read.
    statement: Option<(Keyword, usize)>,
    told: FreeDiameter,
    /// What any peer is to do without: fdd.y compares it with what stands outside of peers.
    peers: Without,
}

impl Parser {
    fn advance(&mut self) -> Result<(Position, Token), Fault> {
        let next = self.lexer.next()?;
        Ok(std::mem::replace(&mut self.next, next))
    }

    /// The token at hand is not what has to stand there.
    fn unexpected(&self, expected: &str) -> Fault {
        let (position, token) = &self.next;
        let found = format!("{} stands where {expected} has to", shown(token));
        position.fault(found, self.remedy(token, expected))
    }

    fn remedy(&self, token: &Token, expected: &str) -> String {
        if let Token::Unknown(word) = token {
            match word.as_str() {
                "\"" => return "close the text with \" on the same line".to_owned(),
                "#" => {
                    return "end the last line: freeDiameter takes a comment only with an end of line"
                        .to_owned();
                }
                "\u{feff}" => return "save the file without a byte order mark".to_owned(),
                _ => {}
            }
            if let Some(keyword) = Keyword::similar(word) {
                return format!("is {} meant?", keyword.text());
            }
        }
        match (expected, &self.statement, token) {
            (";", Some((keyword, line)), _) => {
                format!("end {} of line {line} with a ;", keyword.text())
            }
            ("a keyword", _, Token::Sign(';')) => {
                "take it away: include \"file\" and an empty statement have none".to_owned()
            }
            ("a text in \"\"", _, Token::Unknown(_)) => "put the value in double quotes".to_owned(),
            ("a number", _, Token::Text(_)) => "write the number without quotes".to_owned(),
            _ => "freeDiameter does not start before this is mended".to_owned(),
        }
    }

    fn sign(&mut self, sign: char) -> Result<Position, Fault> {
        if self.next.1 == Token::Sign(sign) {
            return Ok(self.advance()?.0);
        }
        Err(self.unexpected(&sign.to_string()))
    }

    fn text(&mut self) -> Result<String, Fault> {
        match &self.next.1 {
            Token::Text(text) => {
                let text = text.clone();
                self.advance()?;
                Ok(text)
            }
            _ => Err(self.unexpected("a text in \"\"")),
        }
    }

    fn number(&mut self) -> Result<i32, Fault> {
        match self.next.1 {
            Token::Number(number) => {
                self.advance()?;
                Ok(number)
            }
            _ => Err(self.unexpected("a number")),
        }
    }

    /// `= "text" ;`, and where the semicolon stands.
    fn text_value(&mut self) -> Result<(String, Position), Fault> {
        self.sign('=')?;
        let text = self.text()?;
        Ok((text, self.sign(';')?))
    }

    /// `= number ;` within bounds.
    fn number_value(&mut self, keyword: Keyword, low: i32, high: i32) -> Result<u32, Fault> {
        self.sign('=')?;
        let number = self.number()?;
        let end = self.sign(';')?;
        match u32::try_from(number).ok().filter(|_| (low..=high).contains(&number)) {
            Some(number) => Ok(number),
            None => {
                let range =
                    if high == i32::MAX { format!("{low} or more") } else { format!("{low} to {high}") };
                let found = format!("{} = {number}, which has to be {range}", keyword.text());
                Err(end.fault(found, format!("write {range}; a 0 in front makes it octal")))
            }
        }
    }

    fn file(&mut self, keyword: Keyword) -> Result<NamedFile, Fault> {
        let (text, position) = self.text_value()?;
        Ok(NamedFile { key: keyword.text(), text, position })
    }

    fn statement(&mut self) -> Result<(), Fault> {
        let Token::Keyword(keyword) = self.next.1 else { return Err(self.unexpected("a keyword")) };
        let line = self.next.0.line;
        if matches!(keyword, Keyword::ConnectTo | Keyword::NoTls | Keyword::Never | Keyword::Always) {
            let mut fault = self.unexpected("a statement");
            if keyword == Keyword::ConnectTo || keyword == Keyword::NoTls {
                fault.remedy = format!("{} belongs inside the braces of a ConnectPeer", keyword.text());
            }
            return Err(fault);
        }
        let begin = self.advance()?.0;
        self.statement = Some((keyword, line));
        const PORTS: i32 = u16::MAX as i32;
        match keyword {
            Keyword::Identity => self.told.identity = Some(self.text_value()?.0),
            Keyword::Realm => self.told.realm = Some(self.text_value()?.0),
            Keyword::TcTimer => self.told.tc_timer = self.number_value(keyword, 1, i32::MAX)?,
            Keyword::TwTimer => drop(self.number_value(keyword, 6, i32::MAX)?),
            Keyword::Port => self.told.port = port(self.number_value(keyword, 0, PORTS)?),
            Keyword::SecPort => self.told.secure_port = port(self.number_value(keyword, 0, PORTS)?),
            Keyword::SctpStreams => drop(self.number_value(keyword, 1, PORTS)?),
            Keyword::ThreadsPerServer => drop(self.number_value(keyword, 1, i32::MAX)?),
            Keyword::AppServThreads | Keyword::RoutingInThreads | Keyword::RoutingOutThreads => {
                self.number_value(keyword, 1, 255)?;
            }
            Keyword::ProcessingPeersMinimum
            | Keyword::IncomingQueueLimit
            | Keyword::OutgoingQueueLimit
            | Keyword::LocalQueueLimit => drop(self.number_value(keyword, 0, i32::MAX)?),
            Keyword::ProcessingPeersPattern => drop(self.text_value()?),
            Keyword::ListenOn => self.listen_on()?,
            Keyword::NoRelay => drop(self.sign(';')?),
            Keyword::PreferTcp => {
                self.sign(';')?;
                self.told.prefer_tcp = true;
            }
            Keyword::TlsOldMethod => {
                self.sign(';')?;
                self.told.old_tls = true;
            }
            Keyword::NoIp | Keyword::NoIpv6 | Keyword::NoTcp | Keyword::NoSctp => self.without(keyword)?,
            Keyword::LoadExtension => self.extension()?,
            Keyword::ConnectPeer => self.connect_peer(begin)?,
            Keyword::TlsCred => self.credentials()?,
            Keyword::TlsCa => {
                let file = self.file(keyword)?;
                self.told.authorities.push(file);
            }
            Keyword::TlsCrl | Keyword::TlsDhFile => {
                let file = self.file(keyword)?;
                self.told.other_files.push(file);
            }
            Keyword::TlsPrio => self.priorities()?,
            Keyword::TlsDhBits => {
                self.sign('=')?;
                self.number()?;
                self.sign(';')?;
            }
            Keyword::RouteRecordInAnswers => {
                self.sign('=')?;
                match self.next.1 {
                    Token::Keyword(Keyword::Always | Keyword::Never) => drop(self.advance()?),
                    _ => return Err(self.unexpected("Always or Never")),
                }
                self.sign(';')?;
            }
            Keyword::ConnectTo | Keyword::NoTls | Keyword::Never | Keyword::Always => {}
        }
        self.statement = None;
        Ok(())
    }

    fn listen_on(&mut self) -> Result<(), Fault> {
        let (text, end) = self.text_value()?;
        match numeric_address(&text) {
            Some(address) => {
                self.told.listen_on.push(address);
                Ok(())
            }
            None => Err(end.fault(
                format!("ListenOn = {text:?} is no address"),
                "write one of this host's addresses in digits: names are not looked up here",
            )),
        }
    }

    /// `No_IP`, `No_IPv6`, `No_TCP`, `No_SCTP` for all peers.
    fn without(&mut self, keyword: Keyword) -> Result<(), Fault> {
        let end = self.sign(';')?;
        let all = &mut self.told.without;
        let (flag, conflict) = match keyword {
            Keyword::NoIp => (&mut all.ipv4, self.peers.ipv6.then_some("a ConnectPeer with No_IPv6")),
            Keyword::NoIpv6 => (&mut all.ipv6, self.peers.ipv4.then_some("a ConnectPeer with No_IP")),
            Keyword::NoTcp if all.sctp => (&mut all.tcp, Some("No_SCTP")),
            Keyword::NoTcp => (&mut all.tcp, self.peers.sctp.then_some("a ConnectPeer with No_SCTP")),
            _ if all.tcp => (&mut all.sctp, Some("No_TCP")),
            _ => (&mut all.sctp, self.peers.tcp.then_some("a ConnectPeer with No_TCP")),
        };
        *flag = true;
        conflict.map_or(Ok(()), |other| Err(conflicts(&end, keyword, other)))
    }

    fn extension(&mut self) -> Result<(), Fault> {
        self.sign('=')?;
        let text = self.text()?;
        if self.next.1 == Token::Sign(':') {
            self.advance()?;
            self.text()?;
        }
        let position = self.sign(';')?;
        self.told.extensions.push(NamedFile { key: Keyword::LoadExtension.text(), text, position });
        Ok(())
    }

    fn credentials(&mut self) -> Result<(), Fault> {
        self.sign('=')?;
        let certificate = self.text()?;
        self.sign(',')?;
        let key = self.text()?;
        let position = self.sign(';')?;
        self.told.credentials = Some(Credentials { certificate, key, position });
        Ok(())
    }

    /// GnuTLS knows many names; a text that does not begin with one of its sets is the usual mistake.
    fn priorities(&mut self) -> Result<(), Fault> {
        const SETS: [&str; 10] = [
            "PERFORMANCE",
            "NORMAL",
            "LEGACY",
            "PFS",
            "SECURE128",
            "SECURE192",
            "SECURE256",
            "SUITEB128",
            "SUITEB192",
            "NONE",
        ];
        let (text, end) = self.text_value()?;
        let first = text.split(':').next().unwrap_or_default();
        let known = first.starts_with('@') || SETS.iter().any(|set| set.eq_ignore_ascii_case(first));
        let mut rest = text.split(':').skip(1);
        if known && rest.clone().all(|one| one.starts_with(['+', '-', '!', '%'])) {
            let version = |one: &str| one.get(1..).is_some_and(|name| name.starts_with("VERS-TLS"));
            if first.starts_with('@') || !rest.all(version) {
                let (key, position) = (Keyword::TlsPrio.text(), end);
                self.told.only_known_there.push(NamedFile { key, text, position });
            }
            return Ok(());
        }
        Err(end.fault(
            format!("TLS_Prio = {text:?} is no priority string of GnuTLS"),
            "write NORMAL, or take it away: it is not OpenSSL's list of ciphers",
        ))
    }

    fn connect_peer(&mut self, begin: Position) -> Result<(), Fault> {
        self.sign('=')?;
        let mut peer = Connect {
            identity: self.text()?,
            line: begin.line,
            file: begin.file.as_deref().map(str::to_owned),
            ..Connect::default()
        };
        if self.next.1 == Token::Sign('{') {
            self.advance()?;
            while self.next.1 != Token::Sign('}') {
                self.option(&mut peer)?;
            }
            self.advance()?;
        }
        self.statement = Some((Keyword::ConnectPeer, begin.line));
        let end = self.sign(';')?;
        for (what, text) in [("ConnectPeer", Some(&peer.identity)), ("Realm", peer.realm.as_ref())] {
            let written = text.filter(|text| !is_identity(text, what == "ConnectPeer"));
            if let Some(text) = written {
                let found = format!("{what} {text:?} is no name that Diameter has");
                return Err(end.fault(found, "write letters, digits, - and . only (RFC 6733 §4.3.1)"));
            }
        }
        if let Some(first) =
            self.told.connects.iter().find(|known| known.identity.eq_ignore_ascii_case(&peer.identity))
        {
            let found =
                format!("the peer {} is there a second time, after line {}", peer.identity, first.line);
            return Err(
                end.fault(found, "freeDiameter refuses the file: write one ConnectPeer with all ConnectTo")
            );
        }
        self.told.connects.push(peer);
        Ok(())
    }

    /// One option of a peer.
    fn option(&mut self, peer: &mut Connect) -> Result<(), Fault> {
        let Token::Keyword(keyword) = self.next.1 else {
            return Err(self.unexpected("an option of the peer, or }"));
        };
        let line = self.next.0.line;
        let known = matches!(
            keyword,
            Keyword::NoIp
                | Keyword::NoIpv6
                | Keyword::NoTcp
                | Keyword::NoSctp
                | Keyword::PreferTcp
                | Keyword::TlsOldMethod
                | Keyword::NoTls
                | Keyword::Realm
                | Keyword::Port
                | Keyword::TcTimer
                | Keyword::TwTimer
                | Keyword::TlsPrio
                | Keyword::ConnectTo
        );
        if !known {
            return Err(self.unexpected("an option of the peer, or }"));
        }
        self.advance()?;
        self.statement = Some((keyword, line));
        match keyword {
            Keyword::PreferTcp => {
                self.sign(';')?;
                peer.prefer_tcp = true;
            }
            Keyword::TlsOldMethod => {
                self.sign(';')?;
                peer.old_tls = true;
            }
            Keyword::NoTls => {
                self.sign(';')?;
                peer.no_tls = true;
            }
            Keyword::Realm => peer.realm = Some(self.text_value()?.0),
            Keyword::Port => peer.port = Some(port(self.number_value(keyword, 1, i32::from(u16::MAX))?)),
            Keyword::TcTimer | Keyword::TwTimer => {
                self.sign('=')?;
                self.number()?;
                self.sign(';')?;
            }
            Keyword::TlsPrio => drop(self.text_value()?),
            Keyword::ConnectTo => self.connect_to(peer)?,
            _ => self.peer_without(keyword, peer)?,
        }
        Ok(())
    }

    fn peer_without(&mut self, keyword: Keyword, peer: &mut Connect) -> Result<(), Fault> {
        let end = self.sign(';')?;
        let all = self.told.without;
        let own = &mut peer.without;
        let (flag, any, conflict) = match keyword {
            Keyword::NoIp => {
                (&mut own.ipv4, &mut self.peers.ipv4, (all.ipv6 || own.ipv6).then_some("No_IPv6"))
            }
            Keyword::NoIpv6 => {
                (&mut own.ipv6, &mut self.peers.ipv6, (all.ipv4 || own.ipv4).then_some("No_IP"))
            }
            Keyword::NoTcp => {
                (&mut own.tcp, &mut self.peers.tcp, (all.sctp || own.sctp).then_some("No_SCTP"))
            }
            _ => (&mut own.sctp, &mut self.peers.sctp, (all.tcp || own.tcp).then_some("No_TCP")),
        };
        if let Some(other) = conflict {
            return Err(conflicts(&end, keyword, other));
        }
        *flag = true;
        *any = true;
        Ok(())
    }

    /// A name is looked up while the file is read: whether it is found depends on where freeDiameter runs.
    fn connect_to(&mut self, peer: &mut Connect) -> Result<(), Fault> {
        let (text, position) = self.text_value()?;
        if numeric_address(&text).is_none() {
            if !may_be_a_name(&text) {
                let remedy = match text.rsplit_once(':') {
                    Some((address, port))
                        if port.parse::<u16>().is_ok() && numeric_address(address).is_some() =>
                    {
                        format!("write ConnectTo = \"{address}\"; Port = {port};")
                    }
                    _ => "write the peer's address in digits".to_owned(),
                };
                return Err(
                    position.fault(format!("ConnectTo = {text:?} is neither address nor name"), remedy)
                );
            }
            let name = NamedFile { key: Keyword::ConnectTo.text(), text: text.clone(), position };
            self.told.only_known_there.push(name);
        }
        peer.addresses.push(text);
        Ok(())
    }
}

fn conflicts(end: &Position, keyword: Keyword, other: &str) -> Fault {
    let found = format!("{} conflicts with {other}", keyword.text());
    end.fault(found, "take one of them away: freeDiameter refuses the file")
}

fn port(number: u32) -> u16 {
    u16::try_from(number).unwrap_or_default()
}

/// A token as a person would name it.
fn shown(token: &Token) -> String {
    match token {
        Token::Keyword(keyword) => keyword.text().to_owned(),
        Token::Text(text) => format!("{text:?}"),
        Token::Number(number) => number.to_string(),
        Token::Sign(sign) => sign.to_string(),
        Token::Unknown(text) => format!("{text:?}, which freeDiameter does not know,"),
        Token::End => "the end of the file".to_owned(),
    }
}
