//! Free TCP ports on loopback for servers that cannot be asked which one they got.

use std::{
    net::TcpListener,
    sync::atomic::{AtomicU16, Ordering},
};

use anyhow::{Result, bail};

/// Below the range that the kernel takes outgoing ports from, so that no connection of another test takes one between
/// here and the server's start.
const FIRST: u16 = 10_000;
const COUNT: u16 = 22_000;

/// A port that nobody listens on. Each test process begins elsewhere in the range.
///
/// # Errors
/// If none is free.
pub fn free() -> Result<u16> {
    for _ in 0..COUNT {
        let port = next(1);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port of {FIRST}..{} is free on 127.0.0.1", FIRST + COUNT)
}

/// The first of `count` ports in a row that nobody listens on, for servers that take them from a first one. No other
/// caller of this process is given one of them.
///
/// # Errors
/// If there is no such row.
pub fn free_row(count: u16) -> Result<u16> {
    for _ in 0..COUNT / count.max(1) {
        let first = next(count);
        let row = first..first.saturating_add(count);
        if row.end <= FIRST + COUNT && row.clone().all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok())
        {
            return Ok(first);
        }
    }
    bail!("no {count} ports in a row are free on 127.0.0.1")
}

/// The first of `count` ports that no other caller of this process is given until all have been tried.
fn next(count: u16) -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = (std::process::id().wrapping_mul(37) % u32::from(COUNT)) as u16;
    FIRST + start.wrapping_add(NEXT.fetch_add(count, Ordering::Relaxed)) % COUNT
}
