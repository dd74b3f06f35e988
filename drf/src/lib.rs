//! Discovery and Registration Function.
