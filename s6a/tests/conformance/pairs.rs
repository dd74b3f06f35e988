//! Octets written by hand from the specifications, and the values that they are: checked both ways.

use s6a::{
    app::{vectors::*, *},
    base::*,
    codec::{Header, Message, ResultCode},
};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// Both ways: the octets decode to the value, the value encodes to the octets.
macro_rules! pair {
    ($octets:expr, $type:ident, $value:expr, |$v:ident, $out:ident| $encode:expr) => {{
        let octets = hex($octets);
        let message = Message::parse(&octets).unwrap();
        let $v = $value;
        assert_eq!($type::decode(&message).unwrap(), $v);
        let mut $out = Vec::new();
        $encode;
        assert_eq!($out, octets);
    }};
}

#[test]
fn dwr_of_rfc_6733_5_5_1() {
    pair!(
        "01000038 80000118 00000000 00000001 00000002
         00000108 40000009 61000000
         00000128 4000000b 622e6300
         00000116 4000000c 0000002a",
        DeviceWatchdogRequest,
        DeviceWatchdogRequest { origin_host: "a", origin_realm: "b.c", origin_state_id: Some(42) },
        |v, out| v.encode(&mut out, 1, 2)
    );
}

#[test]
fn cer_of_rfc_6733_5_3_1() {
    let addresses = ["127.0.0.1".parse().unwrap()];
    pair!(
        "01000074 80000101 00000000 00000001 00000002
         00000108 40000009 61000000
         00000128 40000009 62000000
         00000101 4000000e 0001 7f000001 0000
         0000010a 4000000c 00000000
         0000010d 0000000a 63680000
         00000104 40000020  0000010a 4000000c 000028af  00000102 4000000c 01000023",
        CapabilitiesExchangeRequest,
        CapabilitiesExchangeRequest {
            origin_host: "a",
            origin_realm: "b",
            host_ip_address: (&addresses).into(),
            product_name: "ch",
            vendor_specific_application_id: (&[APPLICATION_ID]).into(),
            ..Default::default()
        },
        |v, out| v.encode(&mut out, 1, 2)
    );
}

#[test]
fn air_of_ts_29_272_7_2_5() {
    pair!(
        "010000a4 c000013e 01000023 0000000a 0000000b
         00000107 40000009 73000000
         00000115 4000000c 00000001
         00000108 40000009 6d000000
         00000128 40000009 72000000
         0000011b 40000009 68000000
         00000001 40000017 393939373130303030303030303031 00
         00000580 c000002c 000028af
            00000582 c0000010 000028af 00000001
            00000584 c0000010 000028af 00000001
         0000057f c000000f 000028af 99f917 00",
        AuthenticationInformationRequest,
        AuthenticationInformationRequest {
            session_id: "s",
            origin_host: "m",
            origin_realm: "r",
            destination_realm: "h",
            user_name: "999710000000001",
            requested_eutran_authentication_info: Some(RequestedVectors {
                number_of_requested_vectors: Some(1),
                immediate_response_preferred: Some(1),
                re_synchronization_info: None,
            }),
            visited_plmn_id: [0x99, 0xf9, 0x17],
            ..Default::default()
        },
        |v, out| v.encode(&mut out, 10, 11)
    );
}

#[test]
fn aia_of_ts_29_272_7_2_6() {
    let vectors = [EutranVector {
        item_number: None,
        rand: std::array::from_fn(|at| at as u8 * 0x11),
        xres: &[1, 2, 3, 4],
        autn: std::array::from_fn(|at| at as u8),
        kasme: std::array::from_fn(|at| if at < 16 { 0 } else { 0xff }),
    }];
    let request = Header::decode(&hex("010000b4 d000013e 01000023 0000000a 0000000b")).unwrap();
    pair!(
        "010000fc 4000013e 01000023 0000000a 0000000b
         00000107 40000009 73000000
         00000104 40000020  0000010a 4000000c 000028af  00000102 4000000c 01000023
         0000010c 4000000c 000007d1
         00000115 4000000c 00000001
         00000108 40000009 68000000
         00000128 40000009 72000000
         00000585 c000008c 000028af
          00000586 c0000080 000028af
           000005a7 c000001c 000028af 00112233445566778899aabbccddeeff
           000005a8 c0000010 000028af 01020304
           000005a9 c000001c 000028af 000102030405060708090a0b0c0d0e0f
           000005aa c000002c 000028af
            00000000000000000000000000000000 ffffffffffffffffffffffffffffffff",
        AuthenticationInformationAnswer,
        AuthenticationInformationAnswer {
            session_id: "s",
            vendor_specific_application_id: Some(APPLICATION_ID),
            outcome: Outcome::SUCCESS,
            origin_host: "h",
            origin_realm: "r",
            authentication_info: Some(AuthenticationInfo {
                eutran_vector: (&vectors).into(),
                ..Default::default()
            }),
            ..Default::default()
        },
        // The request had the T bit: the answer has not (RFC 6733 §6.2).
        |v, out| v.encode(&mut out, &request)
    );
}

#[test]
fn clr_that_moves_a_device_off_its_pcid() {
    pair!(
        "010000ac c000013d 01000023 00000001 00000002
         00000107 40000009 73000000
         00000104 40000020  0000010a 4000000c 000028af  00000102 4000000c 01000023
         00000115 4000000c 00000001
         00000108 40000009 68000000
         00000128 40000009 72000000
         00000125 40000009 6d000000
         0000011b 40000009 76000000
         00000001 4000000e 393939373131 0000
         0000058c c0000010 000028af 00000002
         00000666 80000010 000028af 00000002",
        CancelLocationRequest,
        CancelLocationRequest {
            session_id: "s",
            vendor_specific_application_id: Some(APPLICATION_ID),
            origin_host: "h",
            origin_realm: "r",
            destination_host: "m",
            destination_realm: "v",
            user_name: "999711",
            cancellation_type: CancellationType::SubscriptionWithdrawal,
            clr_flags: Some(ClrFlags::REATTACH_REQUIRED),
            ..Default::default()
        },
        |v, out| v.encode(&mut out, 1, 2)
    );
}

#[test]
fn answer_with_the_e_bit_of_rfc_6733_7_2() {
    let request = Header::decode(&hex("01000014 c000013e 01000023 00000001 00000002")).unwrap();
    pair!(
        "01000044 6000013e 01000023 00000001 00000002
         00000107 40000009 73000000
         00000108 40000009 68000000
         00000128 40000009 72000000
         0000010c 4000000c 00000bbc",
        ErrorAnswer,
        ErrorAnswer {
            session_id: Some("s"),
            origin_host: "h",
            origin_realm: "r",
            outcome: ResultCode::TOO_BUSY.into(),
            ..Default::default()
        },
        |v, out| v.encode(&mut out, &request)
    );
}
