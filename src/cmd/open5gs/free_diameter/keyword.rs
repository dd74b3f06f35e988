//! The words that freeDiameter r1.5.0 knows.

macro_rules! keywords {
    ($($name:ident $text:literal,)*) => {
        /// A word that freeDiameter knows, in capital or small letters.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Keyword { $(#[doc = $text] $name,)* }

        impl Keyword {
            const ALL: &[Self] = &[$(Self::$name,)*];

            /// As its documentation writes it.
            pub fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

keywords! {
    Identity "Identity",
    Realm "Realm",
    Port "Port",
    SecPort "SecPort",
    NoIpv6 "No_IPv6",
    NoIp "No_IP",
    NoTcp "No_TCP",
    NoSctp "No_SCTP",
    PreferTcp "Prefer_TCP",
    TlsOldMethod "TLS_old_method",
    SctpStreams "SCTP_streams",
    AppServThreads "AppServThreads",
    RoutingInThreads "RoutingInThreads",
    RoutingOutThreads "RoutingOutThreads",
    IncomingQueueLimit "IncomingQueueLimit",
    OutgoingQueueLimit "OutgoingQueueLimit",
    LocalQueueLimit "LocalQueueLimit",
    ListenOn "ListenOn",
    ThreadsPerServer "ThreadsPerServer",
    ProcessingPeersPattern "ProcessingPeersPattern",
    ProcessingPeersMinimum "ProcessingPeersMinimum",
    TcTimer "TcTimer",
    TwTimer "TwTimer",
    NoRelay "NoRelay",
    LoadExtension "LoadExtension",
    ConnectPeer "ConnectPeer",
    ConnectTo "ConnectTo",
    NoTls "No_TLS",
    TlsCred "TLS_Cred",
    TlsCa "TLS_CA",
    TlsCrl "TLS_CRL",
    TlsPrio "TLS_Prio",
    TlsDhBits "TLS_DH_bits",
    TlsDhFile "TLS_DH_file",
    RouteRecordInAnswers "RouteRecordInAnswers",
    Never "Never",
    Always "Always",
}

impl Keyword {
    /// The longest keyword that a text begins with.
    pub fn longest(text: &[u8]) -> Option<Self> {
        let begins = |keyword: &&Self| {
            text.get(..keyword.text().len())
                .is_some_and(|head| head.eq_ignore_ascii_case(keyword.text().as_bytes()))
        };
        Self::ALL.iter().filter(begins).max_by_key(|keyword| keyword.text().len()).copied()
    }

    /// The keyword that was meant by a word that is none: the same but for `_`, `-` and a letter or two.
    pub fn similar(word: &str) -> Option<Self> {
        let plain = |text: &str| -> Vec<u8> {
            text.bytes().filter(u8::is_ascii_alphanumeric).map(|octet| octet.to_ascii_lowercase()).collect()
        };
        let word = plain(word);
        let near = |keyword: &&Self| {
            let distance = distance(&word, &plain(keyword.text()));
            distance <= 1 || (distance == 2 && word.len() > 6)
        };
        Self::ALL.iter().filter(near).min_by_key(|keyword| distance(&word, &plain(keyword.text()))).copied()
    }
}

/// Letters to be put in, taken away or replaced to make one word of the other (Levenshtein).
fn distance(one: &[u8], other: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, a) in one.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (to, b) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[to + 1];
            row[to + 1] = replaced.min(row[to] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_in_a_keyword_is_recognised() {
        for (word, keyword) in [
            ("NoTLS", Some(Keyword::NoTls)),
            ("Idenity", Some(Keyword::Identity)),
            ("ListenIn", Some(Keyword::ListenOn)),
            ("LoadExtention", Some(Keyword::LoadExtension)),
            ("mme", None),
        ] {
            assert_eq!(Keyword::similar(word), keyword, "{word}");
        }
    }
}
