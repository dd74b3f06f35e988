//! System tests: the program as it is shipped, against programs of others, over real sockets.
//!
//! One test binary; a module for each question. Third parties come from `tests/run`.

mod rigs;
