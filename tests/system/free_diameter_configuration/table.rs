//! Files of freeDiameter, right and wrong in every way that its grammar has.

/// How the two verdicts agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// Both take it.
    Good,
    /// Both refuse it, in the same line and column.
    Bad,
    /// Both refuse it, in the same line if freeDiameter says one.
    BadLine,
    /// Both refuse it, and freeDiameter counts lines of included files on.
    Included,
    /// freeDiameter 1.2.1 does not know the word, Open5GS's 1.5.0 does.
    Since13,
    /// freeDiameter refuses it where this test runs, and it may be right elsewhere.
    Doubtful,
}

use Agreement::{Bad, BadLine, Doubtful, Good, Included, Since13};

/// In front of each file that does not have an Identity of its own. It listens nowhere.
pub const HEAD: &str =
    "Identity = \"mme.localdomain\";\nRealm = \"localdomain\"; Port = 0; SecPort = 0; No_SCTP;\n";

/// What the file `peer.inc` has.
pub const INCLUDED: &str = "ConnectPeer = \"included\" { ConnectTo = \"127.0.0.8\"; No_TLS; };\n# the end\n";

/// An ICF for it; what it is does not matter here.
pub const ICF: &str = "\
[diameter]
origin_host = \"icf.epc.mnc071.mcc999.3gppnetwork.org\"
origin_realm = \"epc.mnc071.mcc999.3gppnetwork.org\"
listen = [\"tcp://127.0.0.1:3868\"]
[database]
url = \"sqlite://icf.db\"
[keys]
at_rest = { file = \"at-rest.key\" }
[icf]
address_pool = \"10.45.128.0/17\"
";

/// ffdhe2048 (RFC 7919 appendix A.1): freeDiameter would make new ones, which takes long.
pub const DH_PARAMETERS: &str = "\
-----BEGIN DH PARAMETERS-----
MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==
-----END DH PARAMETERS-----
";

/// What stands behind [`HEAD`]; `@` is the folder.
#[rustfmt::skip]
pub const ROWS: &[(&str, Agreement)] = &[
    ("", Good),
    ("# a comment\n\n\t \r\n", Good),
    ("# a comment without an end of line", Bad),
    ("NoRelay; # a comment\n", Good),
    ("nORELAY;", Good),
    // Identity and Realm.
    ("Identity = \"a.b\"; Port = 0; SecPort = 0;", Good),
    ("Identity = \"a\"; Port = 0; SecPort = 0;", BadLine),
    ("Identity = \"a.\"; Port = 0; SecPort = 0;", BadLine),
    ("Identity = \"a_b.c\"; Port = 0; SecPort = 0;", BadLine),
    ("Identity = \"a b.c\"; Port = 0; SecPort = 0;", BadLine),
    ("Identity = \"mm\u{e9}.localdomain\"; Port = 0; SecPort = 0;", Good),
    ("Identity = \"\"; Realm = \"a\"; Port = 0; SecPort = 0;", Good),
    ("Identity = \"a.b\"; Identity = \"c.d\"; Port = 0; SecPort = 0;", Good),
    ("Identity = \"a.b; Port = 0; SecPort = 0;", Bad),
    ("Identity = 'a.b'; Port = 0;", Bad),
    ("Identity = a.b; Port = 0;", Bad),
    ("Identity \"a.b\"; Port = 0;", Bad),
    ("Identity = \"a.b\" Port = 0;", Bad),
    ("Identity = \"a.b\", \"c.d\";", Bad),
    ("Identity = \"a.b\";", BadLine),
    ("Identity = \"a.b\"", BadLine),
    ("Identity = \"a\nb\";", Bad),
    ("Realm = \"a b\";", BadLine),
    ("Realm = \"a_b\";", BadLine),
    ("Realm = localdomain;", Bad),
    // Numbers.
    ("Port = 3868x;", Bad),
    ("Port = 65535; Port = 0;", Good),
    ("Port = 65536;", Bad),
    ("Port = -1;", Bad),
    ("Port = 00000;", Good),
    ("Port = 4294967296;", Good),
    ("Port = 99999999999999999999;", Bad),
    ("Port = 0x0;", Bad),
    ("Port = \"0\";", Bad),
    ("Port = ;", Bad),
    ("Port 0;", Bad),
    ("Port = 0", BadLine),
    ("Port = 0;;", Bad),
    ("SecPort = 65536;", Bad),
    ("TcTimer = 1; TwTimer = 6;", Good),
    ("TcTimer = 0;", Bad),
    ("TwTimer = 5;", Bad),
    ("TwTimer = 010;", Good),
    ("TwTimer = 06;", Good),
    ("TwTimer = 08;", Bad),
    ("SCTP_streams = 1; SCTP_streams = 65535;", Good),
    ("SCTP_streams = 0;", Bad),
    ("SCTP_streams = 65536;", Bad),
    ("ThreadsPerServer = 1;", Good),
    ("ThreadsPerServer = 0;", Bad),
    ("AppServThreads = 255;", Good),
    ("AppServThreads = 256;", Bad),
    ("AppServThreads = 0;", Bad),
    // What 1.3 added.
    ("RoutingInThreads = 1;", Since13),
    ("RoutingOutThreads = 255;", Since13),
    ("RoutingInThreads = 0;", BadLine),
    ("IncomingQueueLimit = 0;", Since13),
    ("OutgoingQueueLimit = 1;", Since13),
    ("LocalQueueLimit = 1;", Since13),
    ("ProcessingPeersPattern = \"hss.*\";", Since13),
    ("ProcessingPeersMinimum = 0;", Since13),
    ("RouteRecordInAnswers = Never;", Since13),
    ("RouteRecordInAnswers = always;", Since13),
    // ListenOn.
    ("ListenOn = \"127.0.0.2\"; ListenOn = \"::1\";", Good),
    ("ListenOn = \"127.1\";", Good),
    ("ListenOn = \"localhost\";", Bad),
    ("ListenOn = \"127.0.0.256\";", Bad),
    ("ListenOn = \"\";", Bad),
    ("ListenOn = 127.0.0.1;", Bad),
    // Flags.
    ("No_IP;", Good),
    ("No_IPv6;", Good),
    ("No_IPv4;", Bad),
    ("No_IP; No_IPv6;", BadLine),
    ("No_TCP;", Bad),
    ("No_SCTP; No_SCTP;", Good),
    ("Identity = \"a.b\"; Port = 0; SecPort = 0; No_TCP;", Good),
    ("Identity = \"a.b\"; Port = 0; SecPort = 0; No_TCP; No_SCTP;", Bad),
    ("Prefer_TCP; NoRelay;", Good),
    ("NoRelay = 1;", Bad),
    ("NoRelays;", Bad),
    ("No_Relay;", Bad),
    ("TLS_old_method;", BadLine),
    ("No_TLS;", Bad),
    ("ConnectTo = \"127.0.0.1\";", Bad),
    ("SctpSec3436 = 1;", Bad),
    ("Foo = 1;", Bad),
    ("};", Bad),
    ("\u{feff}NoRelay;", BadLine),
    // Peers.
    ("ConnectPeer = \"a\";", Good),
    ("ConnectPeer = \"a\" { };", Good),
    ("ConnectPeer = \"a\" { ConnectTo = \"127.0.0.1\"; No_TLS; };", Good),
    ("ConnectPeer = \"a\" { ConnectTo = \"127.0.0.1\"; ConnectTo = \"::1\"; Port = 1; Realm = \"b\"; Prefer_TCP; TcTimer = 0; \
      TwTimer = 0; TLS_Prio = \"anything\"; TLS_old_method; No_TLS; No_IPv6; };", Good),
    ("ConnectPeer = \"a\" {\n  ConnectTo = \"127.0.0.1\";\n  No_TLS\n};\n", Bad),
    ("ConnectPeer = \"a\" { No_TLS };\n", Bad),
    ("ConnectPeer = \"a\" { No_TLS; }\nNoRelay;\n", Bad),
    ("ConnectPeer = \"a\" { No_TLS; }\nConnectPeer = \"b\";\n", Bad),
    ("ConnectPeer = \"a\" { No_TLS; }\n# the end\n", BadLine),
    ("ConnectPeer = \"a\" { No_TLS;\nConnectPeer = \"b\";\n", Bad),
    ("ConnectPeer = \"a\" { No_TLS; ;};\n", Bad),
    ("ConnectPeer = \"a\" { No_TLS;\n", BadLine),
    ("ConnectPeer = \"a\" No_TLS;\n", Bad),
    ("ConnectPeer = a;\n", Bad),
    ("ConnectPeer \"a\";\n", Bad),
    ("ConnectPeer = \"\";\n", Good),
    ("ConnectPeer = \"a_b\";\n", Bad),
    ("ConnectPeer = \"a\";\nConnectPeer = \"a\";\n", Bad),
    ("ConnectPeer = \"a.b\";\nConnectPeer = \"ab\"; ConnectPeer = \"A.B\" { No_TLS; };\n", Bad),
    ("ConnectPeer = \"mme.localdomain\" { No_TLS; };\n", Good),
    ("ConnectPeer = \"a\" { Port = 0; };", Bad),
    ("ConnectPeer = \"a\" { Port = 65536; };", Bad),
    ("ConnectPeer = \"a\" { Port = \"3868\"; };", Bad),
    ("ConnectPeer = \"a\" { Realm = \"b_c\"; };", Bad),
    ("ConnectPeer = \"a\" { Identity = \"b\"; };", Bad),
    ("ConnectPeer = \"a\" { NoRelay; };", Bad),
    ("ConnectPeer = \"a\" { ListenOn = \"127.0.0.1\"; };", Bad),
    ("ConnectPeer = \"a\" { NoTLS; };", Bad),
    ("ConnectPeer = \"a\" { No_TLS = 1; };", Bad),
    ("ConnectPeer = \"a\" { No_TCP; };", Bad),
    ("ConnectPeer = \"a\" { No_SCTP; };", Good),
    ("ConnectPeer = \"a\" { No_IP; No_IPv6; };", Bad),
    ("ConnectPeer = \"a\" { No_IPv6; No_IPv6; };", Good),
    ("ConnectPeer = \"a\" { No_IPv6; };\nNo_IP;", Bad),
    ("ConnectPeer = \"a\" { No_IP; };\nNo_IPv6;", Bad),
    ("No_IP;\nConnectPeer = \"a\" { No_IPv6; };", Bad),
    ("Identity = \"a.b\"; Port = 0; SecPort = 0;\nConnectPeer = \"a\" { No_TCP; No_SCTP; };", Bad),
    ("Identity = \"a.b\"; Port = 0; SecPort = 0;\nConnectPeer = \"a\" { No_SCTP; No_TCP; };", Bad),
    ("Identity = \"a.b\"; Port = 0; SecPort = 0;\nConnectPeer = \"a\" { No_TCP; };\nNo_SCTP;", Bad),
    ("Identity = \"a.b\"; Port = 0; SecPort = 0;\nConnectPeer = \"a\" { No_SCTP; };\nNo_TCP;", Bad),
    ("Identity = \"a.b\"; Port = 0; SecPort = 0;\nNo_TCP;\nConnectPeer = \"a\" { No_SCTP; };", Bad),
    ("ConnectPeer = \"a\" { ConnectTo = \"127.0.0.256\"; };", Bad),
    ("ConnectPeer = \"a\" { ConnectTo = \"127.0.0.1:3868\"; };", Bad),
    ("ConnectPeer = \"a\" { ConnectTo = \"aaa://127.0.0.1\"; };", Bad),
    ("ConnectPeer = \"a\" { ConnectTo = \"\"; };", Bad),
    ("ConnectPeer = \"a\" { ConnectTo = \" 127.0.0.1\"; };", Bad),
    ("ConnectPeer = \"a\" { ConnectTo = \"[::1]\"; };", Bad),
    ("ConnectPeer = \"a\" { ConnectTo = \"127.1\"; ConnectTo = \"0x7f000001\"; ConnectTo = \"0177.0.0.1\"; };", Good),
    ("ConnectPeer = \"a\" { ConnectTo = \"nobody.invalid\"; };", Doubtful),
    // Extensions.
    ("LoadExtension = \"/usr/lib/freeDiameter/dbg_msg_dumps.fdx\" : \"0x8888\";", Good),
    ("LoadExtension = \"dict_nasreq.fdx\"; LoadExtension = \"dict_dcca.fdx\"; LoadExtension = \"dict_dcca_3gpp.fdx\";", Good),
    ("LoadExtension = \"dict_dcca.fdx\"; LoadExtension = \"dict_nasreq.fdx\";", BadLine),
    ("LoadExtension = \"dict_mip6i.fdx\";", BadLine),
    ("LoadExtension = \"dict_nasreq.fdx\"; LoadExtension = \"dict_nasreq.fdx\";", BadLine),
    ("LoadExtension = \"@/nothing.fdx\";", BadLine),
    ("LoadExtension = \"nothing.fdx\";", Doubtful),
    ("LoadExtension \"dict_nasreq.fdx\";", Bad),
    ("LoadExtension = \"dict_nasreq.fdx\" \"0x1\";", Bad),
    ("LoadExtension = \"dict_nasreq.fdx\" : 1;", Bad),
    // Other files.
    ("include \"@/peer.inc\"", Good),
    ("include \"@/peer.*\"\nNoRelay;\n", Good),
    ("include \"@/peer.inc\";\n", Included),
    ("include \"@/nothing\"\n", Good),
    ("include\n", Good),
    ("include @/peer.inc\n", Bad),
    ("Include \"@/peer.inc\"\n", Bad),
    ("include \"@/broken.inc\"\n", Included),
    ("include \"@/self.inc\"\n", Included),
    // TLS.
    ("TLS_Cred = \"@/mme.crt\", \"@/mme.key\"; TLS_CA = \"@/ca.crt\"; TLS_DH_file = \"@/dh.pem\";", Good),
    ("TLS_Cred = \"@/mme.crt\", \"@/mme.key\"; TLS_CA = \"@/ca.crt\"; TLS_DH_file = \"@/dh.pem\"; TLS_old_method; TLS_DH_bits = 2048;", Good),
    ("TLS_Cred = \"@/mme.crt\";", Bad),
    ("TLS_Cred = \"@/mme.crt\" \"@/mme.key\";", Bad),
    ("TLS_Cred = \"@/nothing.crt\", \"@/mme.key\";\nTLS_CA = \"@/ca.crt\";", Bad),
    ("TLS_Cred = \"@/mme.crt\", \"@/nothing.key\";\nTLS_CA = \"@/ca.crt\";", Bad),
    ("TLS_Cred = \"@/mme.crt\", \"@/mme.key\";\nTLS_CA = \"@/nothing.crt\";", Bad),
    ("TLS_Cred = \"@/mme.crt\", \"@/other.key\";\nTLS_CA = \"@/ca.crt\";", Bad),
    ("TLS_Cred = \"@/mme.key\", \"@/mme.crt\";\nTLS_CA = \"@/ca.crt\";", Bad),
    ("TLS_Cred = \"@/other.crt\", \"@/other.key\"; TLS_CA = \"@/ca.crt\"; TLS_DH_file = \"@/dh.pem\";", BadLine),
    ("TLS_Cred = \"@/mme.crt\", \"@/mme.key\"; TLS_CA = \"@/stranger-ca.crt\"; TLS_DH_file = \"@/dh.pem\";", BadLine),
    ("TLS_Cred = \"@/mme.crt\", \"@/mme.key\"; TLS_DH_file = \"@/dh.pem\";", BadLine),
    ("TLS_Cred = \"@/mme.crt\", \"@/mme.key\"; TLS_CA = \"@/ca.crt\"; TLS_DH_file = \"@/ca.crt\";", BadLine),
    ("TLS_DH_file = \"@/nothing.pem\";", Bad),
    ("TLS_CA = \"@/dh.pem\";", Bad),
    ("TLS_CRL = \"@/dh.pem\";", Bad),
    ("TLS_Prio = \"NORMAL\";", Good),
    ("TLS_Prio = \"NORMAL:-VERS-TLS1.1:%COMPAT\";", Good),
    ("TLS_Prio = \"HIGH:!aNULL\";", Bad),
    ("TLS_Prio = \"\";", Bad),
    ("TLS_Prio = \"NORMAL:+NOTHING\";", Doubtful),
    ("TLS_DH_bits = \"1024\";", Bad),
];
