//! `many [INPUTS] [SEED] [--corpus DIR]`: mutates every command of the conformance tests with a seeded generator, checks each
//! input, and prints how many got how far and how fast. With `--corpus` it only writes the commands into a
//! folder, for libFuzzer to start from.

use std::time::Instant;

use callhome_fuzz::{Reached, check};

#[path = "../../../s6a/tests/conformance/samples.rs"]
mod samples;

/// xorshift64*, enough to choose mutations with; the same seed makes the same inputs.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 33) as usize % end.max(1)
    }
}

/// Where each top-level AVP and each AVP of a group starts, as far as lengths make sense.
fn starts(octets: &[u8], from: usize, to: usize, found: &mut Vec<(usize, usize)>) {
    let mut at = from;
    while at + 8 <= to {
        let length = u32::from_be_bytes([0, octets[at + 5], octets[at + 6], octets[at + 7]]) as usize;
        let header = if octets[at + 4] & 0x80 == 0 { 8 } else { 12 };
        let padded = length.next_multiple_of(4);
        if length < header || at + padded > to {
            return;
        }
        found.push((at, padded));
        if found.len() < 256 && length > header + 8 {
            starts(octets, at + header, at + length, found);
        }
        at += padded;
    }
}

/// One mutation of `input`.
fn mutate(input: &mut Vec<u8>, all: &[Vec<u8>], random: &mut Random) {
    const LIES: [u8; 8] = [0, 1, 4, 8, 12, 0x7f, 0x80, 0xff];
    let mut avps = Vec::new();
    if input.len() > 20 {
        starts(input, 20, input.len(), &mut avps);
    }
    let avp = if avps.is_empty() { None } else { Some(avps[random.below(avps.len())]) };
    match (random.below(12), avp) {
        // A bit, an octet, a run of octets.
        (0, _) if !input.is_empty() => {
            let at = random.below(input.len());
            input[at] ^= 1 << random.below(8);
        }
        (1, _) if !input.is_empty() => {
            let at = random.below(input.len());
            input[at] = LIES[random.below(LIES.len())];
        }
        (2, _) if !input.is_empty() => {
            let at = random.below(input.len());
            let end = (at + random.below(16)).min(input.len());
            input[at..end].fill_with(|| random.next() as u8);
        }
        // An AVP's code, flags, length.
        (3, Some((at, _))) => input[at + random.below(4)] = random.next() as u8,
        (4, Some((at, _))) => input[at + 4] ^= 1 << random.below(8),
        (5, Some((at, _))) => input[at + 5 + random.below(3)] = LIES[random.below(LIES.len())],
        // An AVP gone, twice, or elsewhere.
        (6, Some((at, length))) => drop(input.drain(at..at + length)),
        (7, Some((at, length))) => {
            let copy = input[at..at + length].to_vec();
            input.splice(at..at, copy);
        }
        (8, Some((at, length))) => {
            let copy = input[at..at + length].to_vec();
            let to = avps[random.below(avps.len())].0;
            input.splice(to..to, copy);
        }
        // Part of another command.
        (9, Some((at, _))) => {
            let other = &all[random.below(all.len())];
            let mut theirs = Vec::new();
            starts(other, 20, other.len(), &mut theirs);
            if !theirs.is_empty() {
                let (from, length) = theirs[random.below(theirs.len())];
                input.splice(at..at, other[from..from + length].iter().copied());
            }
        }
        // The command's header, the end.
        (10, _) if input.len() >= 20 => input[4 + random.below(8)] = random.next() as u8,
        (11, _) => input.truncate(random.below(input.len() + 1)),
        _ => {}
    }
    // Mostly the length is right again: what lies about it is refused at once.
    if input.len() >= 20 && random.below(8) != 0 {
        input.truncate(input.len() / 4 * 4);
        let length = (input.len() as u32).to_be_bytes();
        input[1..4].copy_from_slice(&length[1..]);
    }
}

fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let all: Vec<Vec<u8>> = samples::all().into_iter().map(|(_, octets)| octets).collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--corpus") {
        let folder = std::path::PathBuf::from(&arguments[at + 1]);
        std::fs::create_dir_all(&folder).expect("the corpus folder can be made");
        for (number, octets) in all.iter().enumerate() {
            std::fs::write(folder.join(format!("{number:03}")), octets).expect("the corpus can be written");
        }
        arguments.truncate(at);
        if arguments.is_empty() {
            return;
        }
    }
    let number = |at: usize, default: u64| {
        arguments
            .get(at)
            .map_or(default, |text| text.parse().expect("usage: many [INPUTS] [SEED] [--corpus DIR]"))
    };
    let (inputs, seed) = (number(0, 1_000_000), number(1, 1));
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);

    let mut reached = [0u64; 3];
    let mut octets = 0u64;
    let begun = Instant::now();
    let mut input = Vec::new();
    for done in 0..inputs {
        input.clear();
        input.extend_from_slice(&all[random.below(all.len())]);
        for _ in 0..=random.below(4) {
            mutate(&mut input, &all, &mut random);
        }
        octets += input.len() as u64;
        reached[match check(&input) {
            Reached::Nothing => 0,
            Reached::Message => 1,
            Reached::Command => 2,
        }] += 1;
        if (done + 1) % 1_000_000 == 0 {
            eprintln!("{} inputs", done + 1);
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{inputs} inputs (seed {seed}), {octets} octets, in {seconds:.1} s: {:.0} inputs/s\n\
         no message: {}, refused: {}, read and written again: {}",
        inputs as f64 / seconds,
        reached[0],
        reached[1],
        reached[2],
    );
}
