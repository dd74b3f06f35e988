//! System tests over the kernel's SCTP: the program as it is shipped, on a host of its own with two cables to this one.
//!
//! `cargo test` leaves them out by itself; `bash tests/run` runs them in User Mode Linux, as root of a guest whose
//! interfaces are nobody else's.

mod free_diameter;
mod full_disk;
mod losses;
mod relay;
mod restarts;
mod rig;
mod wireshark;
