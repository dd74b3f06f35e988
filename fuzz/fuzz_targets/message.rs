//! libFuzzer's entry: see `callhome_fuzz::check`.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    callhome_fuzz::check(octets);
});
