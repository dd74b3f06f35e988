//! Every command, dissected by Wireshark without a complaint.

use std::process::Command;

use s6a::codec::Header;

use super::samples;

/// A capture (libpcap, raw IPv4) of one TCP connection on port 3868; requests go one way, answers the
/// other, as from and to a server that answers on the same connection.
fn capture(messages: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 101] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    // Next sequence number of the client and of the server.
    let mut next = [1u32, 1u32];
    for (at, (_, message)) in messages.iter().enumerate() {
        let from_client = Header::decode(message).unwrap().is_request();
        let (us, them) = if from_client { (0, 1) } else { (1, 0) };
        let hosts = [[127, 0, 0, 1], [127, 0, 0, 2]];
        let ports = [50_000u16, 3868];
        let mut packet = vec![0x45, 0];
        packet.extend_from_slice(&((40 + message.len()) as u16).to_be_bytes());
        packet.extend_from_slice(&[0, 0, 0x40, 0, 64, 6, 0, 0]);
        packet.extend_from_slice(&hosts[us]);
        packet.extend_from_slice(&hosts[them]);
        packet.extend_from_slice(&ports[us].to_be_bytes());
        packet.extend_from_slice(&ports[them].to_be_bytes());
        packet.extend_from_slice(&next[us].to_be_bytes());
        packet.extend_from_slice(&next[them].to_be_bytes());
        packet.extend_from_slice(&[0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
        packet.extend_from_slice(message);
        next[us] += message.len() as u32;
        for word in [1_700_000_000 + at as u32, 0, packet.len() as u32, packet.len() as u32] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&packet);
    }
    out
}

/// What tshark prints.
pub fn tshark(arguments: &[&str]) -> String {
    let output = Command::new("tshark").args(arguments).output().unwrap_or_else(|error| {
        panic!("tshark cannot be run ({error}): install it, on Debian with `apt-get install tshark`")
    });
    assert!(output.status.success(), "tshark: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn wireshark_has_nothing_to_say_about_any_command() {
    let messages = samples::all();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("commands.pcap");
    std::fs::write(&file, capture(&messages)).unwrap();
    let file = file.to_str().unwrap();

    let text = tshark(&["-r", file, "-d", "tcp.port==3868,diameter", "-V", "-O", "diameter"]);
    for complaint in ["Malformed", "Unknown", "unknown", "Expert Info", "Undecoded"] {
        let lines: Vec<_> = text.lines().filter(|line| line.contains(complaint)).collect();
        let lines: Vec<_> = lines.into_iter().filter(|line| !expected(line)).collect();
        assert!(lines.is_empty(), "tshark says {complaint}:\n{}", lines.join("\n"));
    }

    let codes =
        tshark(&["-r", file, "-d", "tcp.port==3868,diameter", "-T", "fields", "-e", "diameter.cmd.code"]);
    let codes: Vec<u32> = codes.lines().map(|line| line.parse().unwrap()).collect();
    let sent: Vec<u32> = messages.iter().map(|(_, m)| Header::decode(m).unwrap().command).collect();
    assert_eq!(codes, sent, "what tshark dissects is what was written, message by message");
}

/// Not complaints: a code's name, and that Wireshark has no operator's name for a test network's MNC.
fn expected(line: &str) -> bool {
    line.contains("DIAMETER_ERROR_USER_UNKNOWN")
        || line.trim_start().starts_with("Mobile Network Code (MNC): Unknown")
}

#[test]
fn tshark_does_complain_about_what_is_wrong() {
    let mut broken = samples::all().remove(0).1;
    // The first AVP (Origin-Host) becomes longer than the message.
    broken[20 + 5] = 0xff;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broken.pcap");
    std::fs::write(&file, capture(&[("broken", broken)])).unwrap();
    let text = tshark(&["-r", file.to_str().unwrap(), "-d", "tcp.port==3868,diameter", "-V"]);
    assert!(text.contains("Malformed") || text.contains("Expert Info"), "{text}");
}
