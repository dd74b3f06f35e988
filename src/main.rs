//! The command line of Callhome.

fn main() {}
